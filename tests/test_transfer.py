"""The text of ``harmonize transfer``."""

import re
from pathlib import Path

import pytest

from harmonize import DatasetSpec, Ontology, cli
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value, dump
from harmonize.tools.transfer import describe_transfer, print_transfer
from tiny import tiny_config, tiny_values, write_project

TITLE = "Classes that can be answered when trained on (rows), asked in the words of (columns)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_counts_stand_in_a_table_and_each_pair_says_what_is_left_out_and_why(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_transfer(tiny_config(project, "run"))
    assert (
        capsys.readouterr().out
        == f"""\
{TITLE}

           fine  coarse
fine     3 of 3  2 of 2
coarse   1 of 3  2 of 2
the mix  3 of 3  2 of 2

the mix: fine + coarse

the mix -> fine: all 3 classes
the mix -> coarse: all 2 classes
fine -> coarse: all 2 classes

coarse -> fine: 1 of 3 classes
  coarser      left, right
                 only as thing; as one class they can be answered
"""
    )


def test_only_sets_that_are_trained_on_make_up_the_mix(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_values(project, "run")
    assert isinstance(values["datasets"], list)
    values["evaluate_also"] = [{"spec": str(project / "coarse.yaml"), "evaluate": "val"}]
    values["datasets"] = values["datasets"][:1]
    (project / "run.yaml").write_text(dump(values))
    print_transfer(RunConfig.from_file(project / "run.yaml"))
    printed = capsys.readouterr().out
    assert "the mix" not in printed
    assert "\ntrained on: fine\n" in printed
    assert "\nfine -> coarse: all 2 classes\n" in printed
    assert "\ncoarse -> fine: 1 of 3 classes\n" in printed


def spec(folder: Path, name: str, meaning: dict[str, list[str]]) -> DatasetSpec:
    """Write a mapping whose classes mean these nodes of the tree ``tiny``."""
    nodes: dict[str, Value] = {key: list[Value](value) for key, value in meaning.items()}
    values: dict[str, Value] = {
        "name": name,
        "picture": "{id}.png",
        "label": "{id}_label.png",
        "encoding": "ids",
        "splits": {"train": {"range": [0, 9]}},
        "classes": {name: number for number, name in enumerate([*meaning, "void"])},
        "meaning": {"tiny": {**nodes, "void": "ignore"}},
    }
    (folder / f"{name}.yaml").write_text(dump(values))
    return DatasetSpec.from_file(folder / f"{name}.yaml")


def test_every_status_has_its_line(tmp_path: Path) -> None:
    tree = Ontology("background\nthing\n\tleft\n\tright\nsky\nsun\n", name="tiny")
    one = spec(tmp_path, "one", {"ground": ["background"], "object": ["thing"]})
    meaning = {
        "all": ["background", "thing"],
        "sun": ["sun"],
        "left": ["left"],
        "box": ["thing"],
        "air": ["background", "sky"],
        "earth": ["background"],
    }
    two = spec(tmp_path, "two", meaning)
    text = describe_transfer(tree, [one, two], [one, two])
    assert text.endswith(
        """

one -> two: 2 of 6 classes
  coarser      left
                 only as thing
  overlapping  all
                 shares background + thing with air, box
               earth
                 the same leaves as air
  never        sun
                 no trained set labels it
  answerable   air
                 may miss sky

two -> one: all 2 classes

two -> two: 3 of 6 classes
  overlapping  all
                 shares background + left with left, earth
               box
                 shares left with left
               air
                 shares background with earth"""
    )


def test_long_lists_are_wrapped(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_transfer(RunConfig.from_file(repo / "configs" / "facesynth_lfw.yaml"))
    printed = capsys.readouterr().out
    assert max(len(line) for line in printed.splitlines()) <= 100
    assert (
        """
lfw_parts -> face_synthetics: 0 of 19 classes
  coarser      background, clothing, headwear
                 only as background + headwear + clothing; as one class they can be answered
               skin, nose, right_eye, left_eye, right_brow, left_brow, right_ear, left_ear,
               mouth_interior, top_lip, bottom_lip, neck, glasses, facewear
                 only as face + ears + neck + glasses + facewear + earring + necklace
               hair, beard
                 only as all_hair; as one class they can be answered
"""
        in printed
    )


def test_a_set_that_is_trained_on_with_coarser_labels_teaches_no_more_than_these(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_values(project, "run")
    assert isinstance(values["datasets"], list)
    values["datasets"][0]["max_depth"] = 1  # type: ignore[index,call-overload]
    (project / "coarser.yaml").write_text(dump(values))
    print_transfer(RunConfig.from_file(project / "coarser.yaml"))
    table = capsys.readouterr().out.split("\n\n")[1]
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["fine", "1", "of", "3", "2", "of", "2"],
        ["coarse", "1", "of", "3", "2", "of", "2"],
        ["the", "mix", "1", "of", "3", "2", "of", "2"],
    ]


def many(folder: Path, number: int) -> list[DatasetSpec]:
    """Return sets of long names, the first of which cannot tell left from right."""
    meaning = {"ground": ["background"], "left": ["left"], "right": ["right"]}
    first = spec(folder, "a_set_of_many_0", {"ground": ["background"], "object": ["thing"]})
    return [first, *(spec(folder, f"a_set_of_many_{n}", meaning) for n in range(1, number))]


def test_of_many_sets_the_table_has_numbers_and_the_mix_alone_is_explained(tmp_path: Path) -> None:
    tree = Ontology("background\nthing\n\tleft\n\tright\n", name="tiny")
    specs = many(tmp_path, 7)
    lines = describe_transfer(tree, specs, specs).splitlines()
    assert lines[2:13] == [
        "                    1  2  3  4  5  6  7",
        " 1 a_set_of_many_0  2  1  1  1  1  1  1",
        *(f" {n} a_set_of_many_{n - 1}  2  3  3  3  3  3  3" for n in range(2, 8)),
        "   the mix          2  3  3  3  3  3  3",
        "   of               2  3  3  3  3  3  3",
        "",
    ]
    assert lines[-1] == (
        "What single sets teach of each other (42 pairs) is on the page that `-o FILE.html` writes."
    )
    assert [line for line in lines if " -> " in line] == [
        "the mix -> a_set_of_many_0: all 2 classes",
        *(f"the mix -> a_set_of_many_{n}: all 3 classes" for n in range(1, 7)),
    ]
    assert max(map(len, lines)) <= 100


def test_the_page_has_every_pair_and_its_cells_lead_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    page = project / "page.html"
    assert cli.main(["transfer", str(project / "run.yaml"), "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page} is there; open it in a browser\n"
    text = page.read_text()
    targets = re.findall(r'<a href="#(p\d-\d)"', text)
    assert targets == ["p0-0", "p0-1", "p1-0", "p1-1", "p2-0", "p2-1"]
    assert sorted(re.findall(r'<details id="(p\d-\d)"', text)) == targets
    assert re.findall(r">(\d)</a>", text) == ["3", "2", "1", "2", "3", "2"]
    assert "coarse → fine: 1 of 3 classes" in text
    assert "left, right" in text
    assert "only as thing; as one class they can be answered" in text
    assert cli.main(["transfer", str(project / "run.yaml"), "-o", str(page)]) == 0  # our own


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("page.txt", "page.txt: is a page; expected a name in .html"),
        ("other.html", "other.html: is there already, and not from this command; remove it"),
        ("none/page.html", "none/page.html: its folder does not exist; make it first"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused(
    name: str,
    problem: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    (project / "other.html").write_text("somebody's")
    for words in (["transfer", "run.yaml", "-o"], ["check", "run.yaml", "--page"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main([*words, name])
        assert problem in capsys.readouterr().err
