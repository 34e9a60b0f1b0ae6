"""``harmonize check`` as a whole: everything in one run, options, overrides, absent data."""

from pathlib import Path

import pytest

from harmonize import cli
from harmonize.tools.check.check_command import check as run_check
from harmonize.tools.check.one_file import Options
from spoiled import CONFIG, LABEL, TREE, add, check, mapping, passes, problems, spoil, write_set

SUMMARY = "fine.yaml: a mapping of 3 classes to tiny"
ABSENT = "fine: the data set's folder was not found; looked in data; say data.roots.fine=FOLDER"
SHIPPED = "choose from: ade20k, camvid, faces, faces_full, roads, universal, vistas, voc"
"""What is said of a tree that is none of the shipped ones."""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def test_a_tree_a_mapping_and_a_config_without_a_mistake_pass_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(capsys, "tiny.txt", "fine.yaml") == (
        0,
        [
            "tiny.txt: a tree of 3 leaves and 2 depths",
            f"{SUMMARY}; 2 label files read",
        ],
    )
    assert passes(capsys, "run.yaml") == [
        "run.yaml: a config of fine on the tree tiny.txt; 2 label files read"
    ]


def test_everything_wrong_with_tree_mapping_config_and_files_is_told_in_one_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("tiny.txt").write_text("background\nthing\n\tleft\n\tright\n")
    spoil(
        classes="{background: 0, left: 1, right: 2, glove: 3}",
        meaning="{tiny: {background: bckground, left: left, right: right, glove: thing}}",
        splits="{train: {list: train.txt}}",
    )
    Path("data/train.txt").write_text("a\nb\nc\nd\n")
    Path("data/images/a.png").write_bytes(b"no picture")
    add("b", LABEL + 2)
    add("c", LABEL[:3])
    add("x")
    Path("data/labels/x.png").unlink()
    Path("run.yaml").write_text(
        "ontology: tiny.txt\n"
        "datasets: [{spec: fine.yaml, train: train, evaluate: vall}]\n"
        "train: {stps: 3}\n"
    )
    assert problems(capsys, "run.yaml") == [
        "run.yaml:3:9: train.stps: unknown key; did you mean steps?",
        "fine.yaml:8:18: meaning.tiny.background: no node 'bckground' in tiny; did you mean "
        "background?",
        "tiny.txt:3:2: 'left' and 'right' stay as they are in a flipped picture; declare `@mirror "
        "left right` [mirror]",
        "fine.yaml:6:1: splits: no split 'vall'; choose from: train",
        "fine.yaml:6:10: splits.train: 2 files of fine, for 1 of 4 pictures, "
        "are missing from data: images/d.png, "
        "labels/d.png; check data.roots and the mapping's `picture` and `label`, or take the "
        "picture off the list",
        "data/images/a.png: not a readable picture: cannot identify image file 'data/images/a.png'",
        "fine.yaml:7:1: classes: the id 4 is no class's, but stands in 8 pixels of 1 label file, "
        "such as labels/b.png; add it to a class, with the meaning `ignore` if it is void",
        "fine.yaml:4:1: label: 1 file fits `picture` in data without a label, such as "
        "images/x.png; not used; label it, move it away, or accept that "
        "[accept: {unlabelled: all}]",
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.stps=3", "command line: train.stps: unknown key; did you mean steps?"),
        (
            "model.name=unett",
            "model.name: no network 'unett'; did you mean unet or upernet or manet?",
        ),
        ("train.track=[nobody]", "train.track: no tracker 'nobody'; choose from: "),
        ("loss.depth_weights=[1]", "loss.depth_weights: "),
    ],
)
def test_other_mistakes_of_a_config_hide_nothing(
    capsys: pytest.CaptureFixture[str], override: str, line: str
) -> None:
    spoil(meaning="{tiny: {background: background, left: lft, right: right}}")
    add("b", LABEL + 1)
    told = problems(capsys, "run.yaml", override)
    assert "fine.yaml:8:42: meaning.tiny.left: no node 'lft' in tiny; did you mean left?" in told
    assert any(one.startswith("fine.yaml:7:1: classes: the id 3 is no class's") for one in told)
    spoil()
    add("b")
    (only,) = problems(capsys, "run.yaml", override)
    assert only.startswith(line)


def test_a_config_that_names_nothing_readable_is_told_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("run.yaml").write_text("ontology: tiny.txt\ndatasets: [{spc: fine.yaml, train: train}]\n")
    assert problems(capsys, "run.yaml") == [
        "run.yaml:2:13: datasets.0.spc: unknown key; did you mean spec?",
        "run.yaml:2:12: datasets.0: the key 'spec' is missing; add it",
    ]


def test_a_broken_tree_and_mapping_are_both_told_with_the_files_of_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("tiny.txt").write_text(f"{TREE}left\n@mirror left rigth\n")
    Path("other.yaml").write_text(mapping(name="other", classes="{background: 0, left: 0}"))
    Path("run.yaml").write_text(
        "ontology: tiny.txt\n"
        "datasets: [{spec: fine.yaml, train: train}, {spec: other.yaml, train: train}]\n"
    )
    Path("data/labels/b.png").write_bytes(b"no label")
    assert problems(capsys, "run.yaml") == [
        "tiny.txt:6:1: 'left' stands on line 3 already; names are unique",
        "other.yaml:7:26: classes.left: 0 stands for 'background' already",
        "other.yaml:8:54: meaning.tiny.right: no class 'right'; choose from: background, left",
        "data/labels/b.png: not a readable picture: cannot identify image file 'data/labels/b.png'",
    ]


def test_a_config_is_checked_from_any_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path.cwd()
    (here / "far").mkdir()
    monkeypatch.chdir(here / "far")
    passes(capsys, "../run.yaml")
    (here / "tiny.txt").unlink()
    Path("../run.yaml").write_text(CONFIG.replace("fine.yaml", "none.yaml"))
    told = problems(capsys, "../run.yaml")
    assert [line.partition(" in ")[0] for line in told] == [
        "../run.yaml:1:1: ontology: there is no file tiny.txt",
        "../run.yaml:2:13: datasets.0.spec: there is no file none.yaml",
    ]


def test_all_files_named_are_checked_and_counted_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.txt").write_text("a\na\n")
    Path("bad.yaml").write_text("classes: [\n")
    status, lines = check(capsys, "bad.txt", "tiny.txt", "bad.yaml", "none.yaml", "none.txt")
    assert status == 1
    assert lines[0] == "bad.txt:2:1: 'a' stands on line 1 already; names are unique"
    assert lines[1] == "tiny.txt: a tree of 3 leaves and 2 depths"
    assert lines[2].startswith("bad.yaml:2:1: not valid YAML: ")
    assert lines[3:] == ["none.yaml: no such file", "none.txt: no such file", "4 problems"]


@pytest.mark.parametrize("file", ["fine.yaml", "run.yaml"])
def test_an_absent_folder_is_a_note_unless_reading_was_asked_for(
    capsys: pytest.CaptureFixture[str], file: str
) -> None:
    Path("data").rename("elsewhere")
    assert passes(capsys, file)[1:] == [f"  note: {ABSENT}"]
    assert passes(capsys, file, "--scan", "0")[1:] == []
    assert problems(capsys, file, "--scan", "5") == [ABSENT]


def test_a_note_stands_below_the_problems_and_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").rename("elsewhere")
    spoil(meaning="{tiny: {background: background, left: lft, right: right}}")
    status, lines = check(capsys, "fine.yaml")
    assert status == 1
    assert lines == [
        "fine.yaml:8:42: meaning.tiny.left: no node 'lft' in tiny; did you mean left?",
        f"  note: {ABSENT}",
        "1 problem",
    ]


@pytest.mark.parametrize("file", ["fine.yaml", "run.yaml"])
def test_the_command_line_says_where_the_data_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    Path("data").rename("elsewhere")
    assert passes(capsys, file, "data.roots.fine=elsewhere")[0].endswith("; 2 label files read")
    assert passes(capsys, "data.roots.fine=elsewhere", file)[0].endswith("; 2 label files read")
    Path("all").mkdir()
    Path("elsewhere").rename("all/fine")
    monkeypatch.setenv("HARMONIZE_DATA", "all")
    assert passes(capsys, file)[0].endswith("; 2 label files read")


def test_overrides_reach_configs(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = problems(capsys, "run.yaml", "datasets.0.train=trian")
    assert line == "fine.yaml:6:1: splits: no split 'trian'; did you mean train?"
    (line,) = problems(capsys, "run.yaml", "datasets.1.train=train")
    assert line == "command line: datasets.1.train: '1' is no element; there are 0 to 0"
    (line,) = problems(capsys, "run.yaml", "data.roots.fien=x")
    assert line == "data.roots.fien: the config has no data set 'fien'; did you mean fine?"


@pytest.mark.parametrize("files", [["fine.yaml"], ["tiny.txt"], ["tiny.txt", "fine.yaml"]])
def test_overrides_of_a_config_are_refused_where_none_is_checked(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    overrides = ["train.steps=3", "data.roots.fine=data", "picture=a.png"]
    with pytest.raises(SystemExit) as exit_:
        cli.main(["check", *files, *overrides])
    assert exit_.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: command line: train.steps=3: there is no config here",
        "error: command line: picture=a.png: there is no config here",
    ]
    passes(capsys, *files, "data.roots.fine=data")
    passes(capsys, *files, "run.yaml", "train.steps=3")


def test_a_folder_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = problems(capsys, "fine.yaml", "data.roots.fine=")
    assert line == "command line: data.roots.fine: expected a folder, got None"


def test_a_name_with_an_equals_sign_is_a_file_if_it_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a=b.txt").write_text("a\n")
    assert passes(capsys, "a=b.txt") == ["a=b.txt: a tree of 1 leaf and 1 depth"]


@pytest.mark.parametrize("number", ["-1", "x", "1.5", ""])
def test_scan_takes_a_whole_number(capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["check", "fine.yaml", f"--scan={number}"])
    assert exit_.value.code == 2
    assert f"expected a whole number, got {number!r}" in capsys.readouterr().err


def test_overrides_of_a_mapping_in_a_config_are_placed_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("run.yaml").write_text(
        "ontology: tiny.txt\n"
        "datasets:\n"
        "  - spec: fine.yaml\n"
        "    train: train\n"
        "    override: {meaning.tiny.left: lft, picture: 'images/{id}.jpg'}\n"
    )
    assert problems(capsys, "run.yaml") == [
        "fine.yaml (override): meaning.tiny.left: no node 'lft' in tiny; did you mean left?",
        "fine.yaml:6:10: splits.train: 2 files of fine are missing from data: images/a.jpg, "
        "images/b.jpg; check data.roots and the mapping's `picture` and `label`",
    ]


def test_block_and_flow_yaml_are_told_by_line_and_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(
        classes="\n  background: 0\n  left: 1\n  right:\n    - 2\n    - 3",
        meaning="\n  tiny:\n    background: background\n    left:\n      - left\n      - rigth\n"
        "    right: right",
    )
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:18:9: meaning.tiny.left.1: no node 'rigth' in tiny; did you mean right?"
    ]


def test_a_set_in_several_entries_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    add("b", LABEL + 1)
    Path("run.yaml").write_text(
        f"{CONFIG}evaluate_also:\n"
        "  - {spec: fine.yaml, evaluate: train, override: {name: again}}\n"
    )
    told = problems(capsys, "run.yaml")
    assert [line.split("; ")[0] for line in told] == [
        "fine.yaml:7:1: classes: the id 3 is no class's, but stands in 8 pixels of 1 label file, "
        "such as labels/b.png"
    ]


def test_trees_are_found_by_name_beside_the_mapping_among_the_shipped_and_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("tiny.txt").unlink()
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:11: meaning.tiny: there is no tree tiny.txt beside the mapping, in trees/ or "
        f"in the working directory; {SHIPPED} (or name its file as well)"
    ]
    Path("trees").mkdir()
    Path("trees/tiny.txt").write_text(TREE)
    passes(capsys, "fine.yaml")
    Path("far").mkdir()
    Path("trees/tiny.txt").rename("far/tiny.txt")
    passes(capsys, "fine.yaml", "far/tiny.txt")
    Path("far/tiny.txt").rename("tiny.txt")
    Path("fine.yaml").rename("far/fine.yaml")
    passes(capsys, "far/fine.yaml")  # the tree lies in the working directory
    Path("far/tiny.txt").write_text("other\n")  # beside the mapping comes first
    assert "no node 'left' in tiny" in problems(capsys, "far/fine.yaml")[1]


def test_a_mapping_is_held_against_each_of_its_trees(capsys: pytest.CaptureFixture[str]) -> None:
    meaning = "background: background, left: left, right: right"
    spoil(meaning=f"{{tiny: {{{meaning}}}, flat: {{{meaning}}}, none: {{{meaning}}}}}")
    Path("flat.txt").write_text("background\nleft\n")
    told = problems(capsys, "fine.yaml")
    assert [line.split(": ", 1)[1] for line in told] == [
        "meaning.flat.right: no node 'right' in flat; choose from: background, left",
        "meaning.none: there is no tree none.txt beside the mapping, in trees/ or in the working "
        f"directory; {SHIPPED} (or name its file as well)",
    ]


def test_a_config_ignores_what_its_mappings_say_of_other_trees(
    capsys: pytest.CaptureFixture[str],
) -> None:
    meaning = "background: background, left: left, right: right"
    spoil(meaning=f"{{tiny: {{{meaning}}}, none: {{{meaning}}}}}")
    passes(capsys, "run.yaml")


def test_nothing_is_written_but_the_csv(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    passes(capsys, "run.yaml", "fine.yaml", "tiny.txt")
    assert sorted(Path().rglob("*")) == before


def test_the_number_of_problems_is_returned(capsys: pytest.CaptureFixture[str]) -> None:
    add("b", LABEL + 2)
    assert run_check(["fine.yaml", "tiny.txt"], Options()) == 2
    assert run_check(["fine.yaml"], Options(scan=0)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == SUMMARY
