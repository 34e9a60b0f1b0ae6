"""harmonize serve: how probable each answer is, as an .npz."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hand_made import untrained_run
from harmonize import Run
from harmonize.system.progress import be_quiet, voice_restored
from served import Served, served

WIDTH, HEIGHT = 33, 17


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("probabilities"))


@pytest.fixture(scope="module")
def picture(run: Path) -> bytes:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(run.parent / "one.png")
    return (run.parent / "one.png").read_bytes()


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[Served]:
    with voice_restored(), served(run) as one:
        be_quiet(True)  # a line may come when its test is over
        yield one


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {}),
        ("depth=1", {"depth": 1}),
        ("as=coarse", {"as_": "coarse"}),
        ("confidence=0.5", {"confidence": 0.5}),
    ],
)
def test_probabilities_are_those_of_every_answer_of_the_legend(
    service: Served, run: Path, picture: bytes, query: str, asked: dict[str, Any]
) -> None:
    reply = service.ask(f"/predict?{query}&format=probabilities", picture)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/zip")
    found = np.load(io.BytesIO(reply.body))
    classes = service.ask(f"/legend?{query}").json["classes"]
    assert found["keys"].tolist() == [*classes]
    assert found["names"].tolist() == [one["name"] for one in classes.values()]
    assert found["probabilities"].dtype == np.float16
    assert found["probabilities"].shape == (len(classes), HEIGHT, WIDTH)
    expected = Run.open(run, cpu=True).predict(run.parent / "one.png", probabilities=True, **asked)
    assert expected.probabilities is not None
    names = [*expected.names]
    wanted = expected.probabilities[[names.index(name) for name in found["names"]]]
    assert np.abs(found["probabilities"] - wanted).max() < 1e-3
    if not query:
        assert np.abs(found["probabilities"].astype(float).sum(0) - 1).max() < 4e-3


def test_too_many_numbers_are_refused(
    service: Served, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.serving.forms.MOST_NUMBERS", 2 * WIDTH * HEIGHT)
    assert service.ask("/predict?depth=1&format=probabilities", picture).status == 200
    refused = service.ask("/predict?format=probabilities", picture)
    assert (refused.status, refused.error) == (
        422,
        f"format=probabilities: 33 x 17 pixels times 3 possible answers are more than "
        f"{2 * WIDTH * HEIGHT} numbers; send a smaller picture, or ask for fewer answers, such as "
        "depth=1",
    )
    assert service.ask("/predict", picture).status == 200
