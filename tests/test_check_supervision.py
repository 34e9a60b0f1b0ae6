"""The supervision table: which set teaches which node, with pixels counted by hand."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from harmonize import cli
from harmonize.config.strict_yaml import load_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.tools.check.supervision import Source, Supervision
from spoiled import LABEL, add, check, mapping, save, write_set

TREE = Ontology("background\nthing\n\tleft\n\tright\n\t\tup\n\t\tdown\n", name="t")
FINE = "{background: background, left: left, up: up, void: ignore}"
COARSE = "{thing: thing, right: right, either: [background, left], both: [left, up]}"
DRAWN = """\
node                                               depth              fine            coarse
background                                             1      60    60.0 %                 -
thing                                                  1      40    40.0 %      28    70.0 %
  left                                                 2      30    30.0 %                 -
  right                                                2      10    10.0 %       8    20.0 %
    up                                                 3      10    10.0 %                 -
one of several nodes; the label leaves open which
  background + left                                    2                 -      12    30.0 %
  left + up                                            3                 -       4    10.0 %
all labels that reach the depth
                                                       1     100   100.0 %      28    70.0 %
                                                       2     100   100.0 %      24    60.0 %
                                                       3     100   100.0 %       4    10.0 %
pixels without a label                                        25    20.0 %                 -
"""


def source(name: str, meaning: str, *pixels: int, read: int = 3, files: int = 4) -> Source:
    """Return a data set of which the pixels of each class were counted."""
    classes = [word.strip("{ ").split(":")[0] for word in meaning.split(", ") if ":" in word]
    text = mapping(
        name=name,
        classes=f"{{{', '.join(f'{one}: {number}' for number, one in enumerate(classes))}}}",
        meaning=f"{{t: {meaning}}}",
    )
    spec = DatasetSpec.from_document(load_text(text, f"{name}.yaml"))
    return Source(spec, "train", np.array(pixels), files, read)


@pytest.fixture
def table() -> Supervision:
    """The table of two sets: 100 + 40 labelled pixels, 25 ignored ones."""
    fine = source("fine", FINE, 60, 30, 10, 25)
    return Supervision(TREE, [fine, source("coarse", COARSE, 16, 8, 12, 4, read=2, files=2)])


def test_each_label_teaches_its_set_at_every_depth_that_it_resolves(table: Supervision) -> None:
    rows = {(row.nodes, row.depth): (row.pixels, row.classes) for row in table.rows}
    assert rows == {
        # single leaves, at all three depths; a leaf that lies no deeper is its own group
        (("background",), 1): ((60, 0), (("background",), ())),
        (("background",), 2): ((60, 0), (("background",), ())),
        (("background",), 3): ((60, 0), (("background",), ())),
        # depth 1: everything inside thing, and coarse labels of it
        (("thing",), 1): ((40, 28), (("left", "up"), ("thing", "right", "both"))),
        (("left",), 2): ((30, 0), (("left",), ())),
        (("left",), 3): ((30, 0), (("left",), ())),
        (("right",), 2): ((10, 8), (("up",), ("right",))),
        (("up",), 3): ((10, 0), (("up",), ())),
        # labels that leave open which: either is all of the tree at depth 1, which says nothing
        (("background", "left"), 2): ((0, 12), ((), ("either",))),
        # both is left + right = thing at depth 2, a set of its own at depth 3
        (("thing",), 2): ((0, 4), ((), ("both",))),
        (("left", "up"), 3): ((0, 4), ((), ("both",))),
    }


def test_single_nodes_come_first_in_the_order_of_the_tree(table: Supervision) -> None:
    assert [(" + ".join(row.nodes), row.depth) for row in table.rows] == [
        ("background", 1),
        ("background", 2),
        ("background", 3),
        ("thing", 1),
        ("thing", 2),
        ("left", 2),
        ("left", 3),
        ("right", 2),
        ("up", 3),
        ("background + left", 2),
        ("left + up", 3),
    ]


def test_the_table_shows_each_set_once_with_its_share_of_the_labelled_pixels(
    table: Supervision,
) -> None:
    heading, drawn = table.table().split("\n", 1)
    assert heading == (
        "Labelled pixels, and their share of the data set's: fine train (3 of 4 label files), "
        "coarse train (2 of 2 label files)"
    )
    assert f"{drawn}\n" == DRAWN


NARROW = """\
Percentages of the labelled pixels of each data set, by its number:
  1 fine train (3 of 4 label files)
  2 coarse0 train (2 of 2 label files)
  3 coarse1 train (2 of 2 label files)
  4 coarse2 train (2 of 2 label files)
  5 coarse3 train (2 of 2 label files)
  6 coarse4 train (2 of 2 label files)
node                                               depth      1      2      3      4      5      6
background                                             1   60.0      -      -      -      -      -
thing                                                  1   40.0   70.0   70.0   70.0   70.0   70.0
  left                                                 2   30.0      -      -      -      -      -
  right                                                2   10.0   20.0   20.0   20.0   20.0   20.0
    up                                                 3   10.0      -      -      -      -      -
one of several nodes; the label leaves open which
  background + left                                    2      -   30.0   30.0   30.0   30.0   30.0
"""


def test_a_table_of_many_sets_has_numbers_and_shares_alone() -> None:
    more = [source(f"coarse{n}", COARSE, 16, 8, 12, 4, read=2, files=2) for n in range(5)]
    table = Supervision(TREE, [source("fine", FINE, 60, 30, 10, 25), *more]).table()
    assert f"{table}\n".startswith(NARROW)
    assert max(map(len, table.splitlines())) <= 100


def test_the_csv_holds_every_row_and_is_read_back(table: Supervision) -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert list(rows[0]) == ["dataset", "split", "node", "depth", "pixels", "share", "classes"]
    assert len(rows) == 8 + 5
    read = {(row["dataset"], row["node"], int(row["depth"])): row for row in rows}
    assert len(read) == len(rows)
    for row in table.rows:
        for place, (name, labelled) in enumerate((("fine", 100), ("coarse", 40))):
            written = read.get((name, " + ".join(row.nodes), row.depth))
            if not row.pixels[place]:
                assert written is None
                continue
            assert written is not None
            assert int(written["pixels"]) == row.pixels[place]
            assert float(written["share"]) == pytest.approx(row.pixels[place] / labelled, abs=1e-6)
            assert written["classes"] == " + ".join(row.classes[place])
    assert {row["split"] for row in rows} == {"train"}


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (999, "     999   100.0 %"),
        (1000, "   1.0 k 100.0 %"),
        (1_250_000, "   1.2 M 100.0 %"),
        (3 * 10**12, "3000.0 G 100.0 %"),
    ],
)
def test_large_numbers_are_shortened(pixels: int, shown: str) -> None:
    table = Supervision(TREE, [source("fine", "{a: left, b: ignore}", pixels, 0)])
    line = next(line for line in table.table().splitlines() if line.startswith("thing"))
    assert line.endswith(shown.strip())


def test_a_set_without_a_labelled_pixel_has_an_empty_column() -> None:
    table = Supervision(TREE, [source("fine", FINE, 0, 0, 0, 5), source("other", FINE, 0, 0, 0, 0)])
    assert table.rows == ()
    assert table.csv() == "dataset,split,node,depth,pixels,share,classes\n"
    line = table.table().splitlines()[-1]
    assert line.split() == ["pixels", "without", "a", "label", "5", "100.0", "%", "-"]


def test_a_tree_of_one_leaf_has_one_row() -> None:
    table = Supervision(Ontology("a\n", name="t"), [source("fine", "{a: a, b: ignore}", 3, 1)])
    assert [(row.nodes, row.depth, row.pixels) for row in table.rows] == [(("a",), 1, (3,))]
    reached = table.table().splitlines()[-2]
    assert reached.split() == ["1", "3", "100.0", "%"]


def test_names_of_many_nodes_are_cut(table: Supervision) -> None:
    assert max(len(line) for line in table.table().splitlines()[1:]) < 100
    wide = Ontology("".join(f"a_rather_long_name_{n}\n" for n in range(8)), name="t")
    meaning = "{one: [" + "; ".join(wide.leaves[:5]).replace(";", ",") + "], two: ignore}"
    text = mapping(name="m", classes="{one: 0, two: 1}", meaning=f"{{t: {meaning}}}")
    spec = DatasetSpec.from_document(load_text(text, "m.yaml"))
    lines = Supervision(wide, [Source(spec, "train", np.array([1, 0]), 1, 1)]).table().splitlines()
    assert any(
        line.startswith("  a_rather_long_name_0 + a_rather_long_name_1 + ") for line in lines
    )
    assert all(len(line) < 100 for line in lines[1:])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets: 2 x 24 pixels of the first, 24 of the second, of which 4 are ignored."""
    write_set(tmp_path, monkeypatch)
    Path("coarse.yaml").write_text(
        mapping(
            name="coarse",
            root="coarse_data",
            classes="{thing: 0, either: 1, void: 9}",
            meaning="{tiny: {thing: thing, either: [background, left], void: ignore}}",
            splits="{learn: {range: [1, 1]}}",
            accept="{shared-leaves: all}",
        )
    )
    save("coarse_data/images/1.png", np.zeros((4, 6, 3), np.uint8))
    save("coarse_data/labels/1.png", np.array([[0, 0, 0, 1, 1, 9]] * 4, np.uint8))
    Path("run.yaml").write_text(
        "ontology: tiny.txt\n"
        "datasets: [{spec: fine.yaml, train: train}, {spec: coarse.yaml, train: learn}]\n"
    )
    return tmp_path


def test_check_prints_the_table_and_writes_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "run.yaml", "--csv", "table.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "Labelled pixels, and their share of the data set's: fine train (2 of 2 label files), "
        "coarse learn (1 of 1 label file)"
    )
    assert [line.split() for line in lines[2:6]] == [
        ["background", "1", "16", "33.3", "%", "-"],
        ["thing", "1", "32", "66.7", "%", "12", "60.0", "%"],
        ["left", "2", "16", "33.3", "%", "-"],
        ["right", "2", "16", "33.3", "%", "-"],
    ]
    assert lines[-1] == (
        "run.yaml: a config of fine, coarse on the tree tiny.txt; 3 label files read"
    )
    with (project / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        ("fine", "train", "background", "1", "16", "0.333333", "background"),
        ("fine", "train", "background", "2", "16", "0.333333", "background"),
        ("fine", "train", "thing", "1", "32", "0.666667", "left + right"),
        ("coarse", "learn", "thing", "1", "12", "0.600000", "thing"),
        ("fine", "train", "left", "2", "16", "0.333333", "left"),
        ("fine", "train", "right", "2", "16", "0.333333", "right"),
        ("coarse", "learn", "background + left", "2", "8", "0.400000", "either"),
    ]


def test_the_table_says_how_much_was_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    assert cli.main(["check", "run.yaml", "--scan", "1"]) == 0
    assert "fine train (1 of 2 label files)" in capsys.readouterr().out
    assert cli.main(["check", "run.yaml", "--scan", "0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_only_the_trained_split_teaches(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.is_dir()
    add("c", np.zeros_like(LABEL))
    Path("fine.yaml").write_text(
        mapping(splits="{train: {list: train.txt}, val: {list: val.txt}}", name="fine")
    )
    Path("data/train.txt").write_text("a\n")
    Path("data/val.txt").write_text("b\nc\n")
    assert cli.main(["check", "run.yaml", "datasets.0.evaluate=val"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["background", "1", "8", "33.3", "%", "-"]
    assert lines[-1].endswith("; 4 label files read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run.yaml", "--csv", "none/t.csv"],
            "--csv none/t.csv: its folder does not exist; make it",
        ),
        (["run.yaml", "--csv", "."], "--csv .: is a folder; name a file"),
        (
            ["fine.yaml", "--csv", "t.csv"],
            "--csv t.csv: there is nothing to write; it needs a config",
        ),
        (["run.yaml", "--scan", "0", "--csv", "t.csv"], "--csv t.csv: there is nothing to write;"),
        (["fine.yaml", "--page", "t.html"], "--page t.html: there is nothing to write; it needs"),
        (
            ["run.yaml", "run.yaml", "--csv", "t.csv"],
            "--csv t.csv: takes one config of one tree at a time, got 2",
        ),
        (
            ["run.yaml", "--csv", "/dev/full"],
            "/dev/full: cannot be written: No space left on device",
        ),
    ],
)
def test_a_csv_that_cannot_be_written_is_one_line_and_status_2(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert project.is_dir()
    with pytest.raises(SystemExit) as exit_:
        cli.main(["check", *arguments])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not Path("t.csv").exists()


def test_problems_are_counted_before_the_csv_is_missed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    with pytest.raises(SystemExit):
        cli.main(["check", "run.yaml", "model.name=unett", "--csv", "t.csv"])
    printed = capsys.readouterr()
    assert printed.out.endswith("did you mean unet or upernet or manet?\n1 problem\n")
    assert "it needs a config that can be trained" in printed.err
    assert check(capsys, "run.yaml", "--csv", "t.csv")[0] == 0


def test_files_of_several_sets_of_a_config_count_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = "{spec: fine.yaml, train: train, override: {name: again}}"
    config = (project / "run.yaml").read_text()
    Path("run.yaml").write_text(config.replace("train: train}, ", f"train: train}}, {same}, "))
    assert cli.main(["check", "run.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "again train (2 of 2 label files)" in said[0]
    assert said[-1].endswith(
        "a config of fine, again, coarse on the tree tiny.txt; 3 label files read"
    )


def test_a_label_of_several_files_counts_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two pictures with masks of two classes each: four files, two labels."""
    Path("fine.yaml").write_text(
        mapping(
            name="fine",
            label='"masks/{id}_{class}.png"',
            encoding="masks",
            classes="{background: ~, left: a, right: b}",
            meaning="{tiny: {background: background, left: left, right: right}}",
        )
    )
    for picture in "ab":
        for place, name in enumerate("ab"):
            mask = np.zeros((4, 6), np.uint8)
            mask[:, place] = 1
            save(f"data/masks/{picture}_{name}.png", mask)
    assert cli.main(["check", "fine.yaml"]) == 0
    assert capsys.readouterr().out.endswith("; 2 labels read\n")
    assert cli.main(["check", "run.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("fine train (2 of 2 labels), coarse learn (1 of 1 label file)")
    assert said[-1].endswith("; 3 labels read")
    assert project.is_dir()


def test_pictures_without_labels_are_counted_as_such(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'name: bare\nroot: data\npicture: "images/{id}.png"\nlabel: null\n'
    Path("bare.yaml").write_text(text + "splits: {train: {glob: 'images/{id}.png'}}\n")
    assert cli.main(["check", "bare.yaml"]) == 0
    assert capsys.readouterr().out.endswith("; 2 pictures read\n")
    assert project.is_dir()
