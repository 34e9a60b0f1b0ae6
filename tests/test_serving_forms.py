"""Forms of answers on maps drawn at random: polygons, and the description of the service."""

import io
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from hand_made import untrained_run
from harmonize.cli import main
from harmonize.serving.region_polygons import outlines
from served import served


def maps(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    sizes = rng.integers(1, 9, (number, 2))
    return [rng.integers(0, 3, size) for size in sizes]


def test_regions_by_hand() -> None:
    found = outlines(np.array([[1, 1, 1, 0], [1, 2, 1, 0], [1, 1, 1, 1]]))
    assert [(one.number, one.area) for one in found] == [(1, 9), (0, 2), (2, 1)]
    around, hole = found[0].rings
    assert around == [(0, 0), (3, 0), (3, 2), (4, 2), (4, 3), (0, 3), (0, 0)]
    assert sorted(hole[:-1]) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert found[2].rings == [[(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)]]


@pytest.mark.parametrize("numbers", maps(60))
def test_polygons_give_the_map_back_and_touch_themselves_nowhere(numbers: np.ndarray) -> None:
    drawn = np.full(numbers.shape, -1)
    for one in outlines(numbers):
        inside = np.zeros(numbers.shape, dtype=bool)
        for ring in one.rings:
            assert ring[0] == ring[-1]
            assert len(set(ring)) == len(ring) - 1
            turns = [(x != x2, y != y2) for (x, y), (x2, y2) in pairwise(ring)]
            assert all(turn in ((True, False), (False, True)) for turn in turns)
            assert all(turn != other for turn, other in pairwise([*turns, turns[0]]))
            for (x, y), (x2, y2) in pairwise(ring):
                if x == x2:
                    inside[min(y, y2) : max(y, y2), x:] ^= True
        assert inside.sum() == one.area
        assert (drawn[inside] == -1).all()
        drawn[inside] = one.number
        areas = [sum(x * y2 - x2 * y for (x, y), (x2, y2) in pairwise(r)) for r in one.rings]
        assert areas[0] > 0
        assert all(area < 0 for area in areas[1:])
    np.testing.assert_array_equal(drawn, numbers)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("forms"))


def test_the_service_is_as_it_describes_itself(run: Path) -> None:
    picture = (run.parent / "fine_data" / "10.png").read_bytes()
    with served(run) as one:
        described: Any = one.ask("/openapi.json").json
        try:
            from openapi_spec_validator import validate
        except ImportError:
            assert described["openapi"] == "3.1.0"
        else:
            validate(described)
        asked = described["paths"]["/predict"]["post"]
        parameters = {each["name"]: each["schema"] for each in asked["parameters"]}
        assert parameters["as"]["enum"] == ["fine", "coarse"]
        assert parameters["depth"]["maximum"] == 2
        for name, schema in parameters.items():  # every word is taken
            for word in schema.get("enum", [schema.get("maximum")]):
                assert one.ask(f"/predict?{name}={word}", picture).status == 200
        for path in described["paths"]:
            assert one.ask(path, picture if path == "/predict" else None).status == 200

        def fits(name: str, found: Any) -> bool:
            schemas = {"components": described["components"]}
            schema = {"$ref": f"#/components/schemas/{name}", **schemas}
            jsonschema.validate(found, schema)
            return True

        assert fits("Health", one.ask("/health").json)
        assert fits("Coco", one.ask("/predict?format=coco", picture).json)
        assert fits("Polygons", one.ask("/predict?format=polygons", picture).json)
        for query in ("", "as=coarse", "confidence=0.9"):
            assert fits("Legend", one.ask(f"/legend?{query}").json)
        refused = one.ask("/predict", b"x")
        assert str(refused.status) in asked["responses"]
        assert fits("Error", refused.json)
        with pytest.raises(jsonschema.ValidationError):
            fits("Coco", {})


def test_the_page_runs_nothing_but_its_own(run: Path) -> None:
    with served(run) as one:
        found = one.ask("/")
        assert found.headers["content-type"] == "text/html; charset=utf-8"
        policy = found.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy
        assert b"http://" not in found.body
        assert b"https://" not in found.body
        assert b'"datasets": ["fine", "coarse"]' in found.body


def test_colours_of_a_set_are_drawn_in_its_own(run: Path) -> None:
    picture = (run.parent / "fine_data" / "10.png").read_bytes()
    with served(run) as one:
        found = one.ask("/predict?as=coarse", picture)
        with Image.open(io.BytesIO(found.body)) as answer:
            assert answer.mode == "RGB"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--port", "70000"], "argument --port: expected 0 to 65535, got '70000'"),
        (["--batch", "0"], "argument --batch: expected 1 to 1024, got '0'"),
        (["--queue", "x"], "argument --queue: expected 1 to 100000, got 'x'"),
        (["--max-bytes", "-1"], "argument --max-bytes: expected"),
        (["--max-pixels", "300000000"], "argument --max-pixels: expected 1 to 268435456"),
        (["--wait", "nan"], "argument --wait: expected 0 to 10000, got 'nan'"),
        (["--timeout", "0"], "argument --timeout: expected 0.1 to 3600, got '0'"),
        (["more"], "error: more: expected data.roots.NAME=FOLDER"),
        (["--ontology", "x"], "has no tree 'x'"),
    ],
)
def test_a_slip_of_the_command_is_named(
    run: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", str(run), *words])
    assert end.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named(
    run: Path, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit):
        main(["serve", str(run)])
    wanted = f"harmonize serve: needs {missing}, which is not installed; pip install 'harmonize-"
    assert wanted in capsys.readouterr().err
