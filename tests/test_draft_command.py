"""What drafting prints and refuses, and that its YAML reads back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folder_cases import draft, label, photo, save, write_scene
from harmonize import HarmonizeError, cli
from harmonize.config.strict_yaml import load_text
from harmonize.tools.draft.mapping_text import YamlLine, aligned, quoted
from harmonize.tools.draft.new_mapping import new_mapping


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(HarmonizeError) as error:
        new_mapping(folder, **options)  # type: ignore[arg-type]
    return str(error.value)


def test_the_summary_says_what_was_found_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scene(tmp_path / "set")
    save(tmp_path / "set" / "images" / "more9.png", photo())
    draft(tmp_path / "set", monkeypatch)
    printed = capsys.readouterr().out
    assert "set: 6 pictures with labels" in printed
    assert "  no label  1 picture" in printed
    assert "  all       6 pictures" in printed
    assert "5 names of 5, 5 meanings of 5; the tree is to be chosen" in printed
    assert printed.rstrip().endswith(f"harmonize check {tmp_path / 'set.yaml'}")


def test_check_finds_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scene(tmp_path / "set")
    draft(tmp_path / "set", monkeypatch)
    assert cli.main(["check", str(tmp_path / "set.yaml")]) == 1
    assert (
        "meaning.TODO_tree: still a TODO of the draft; write the name of your tree's"
        in capsys.readouterr().out
    )


def test_labels_that_cannot_be_read_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "set" / "labels" / "frame3a.png").write_text("broken")
    draft(tmp_path / "set", monkeypatch)
    shown = capsys.readouterr().out
    assert f"to mend: {tmp_path / 'set' / 'labels' / 'frame3a.png'}: not a readable pic" in shown


def test_folders_without_a_data_set_are_refused(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refusal(tmp_path / "empty")
    save(tmp_path / "file" / "a.png", photo())
    assert "is a file; name the folder" in refusal(tmp_path / "file" / "a.png")


def test_what_does_not_pair_is_told_with_what_was_seen(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "pictures" / f"p{number}q.jpg", photo())
        save(tmp_path / "labels" / f"x{number}y.png", label([0, 1]))
        (tmp_path / "broken").mkdir(exist_ok=True)
        (tmp_path / "broken" / f"{number}.png").write_text("no picture")
        save(tmp_path / "both" / "a" / f"one{number}x.jpg", photo())
        save(tmp_path / "both" / "b" / f"other{number}y.png", label([0, 1, 2]))
    shown = refusal(tmp_path / "pictures")
    assert "pictures: *.jpg: 4 files, photographs" in shown
    assert "none of these look like labels" in shown
    assert "none of these look like photographs" in refusal(tmp_path / "labels")
    assert "no picture can be read" in refusal(tmp_path / "broken")
    shown = refusal(tmp_path / "both")
    assert "a/*.jpg: 4 files, photographs" in shown
    assert "b/*.png: 4 files, ids" in shown
    assert "no labels have the names of the photographs" in shown


def test_options_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    write_scene(folder)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.yaml").write_text("mine")
    taken = "set.yaml: is there already; name another file with -o, or replace it with --force"
    assert refusal(folder) == taken
    assert (tmp_path / "set.yaml").read_text() == "mine"
    assert "a mapping is a .yaml file" in refusal(folder, output=Path("x.txt"))
    assert "its folder does not exist" in refusal(folder, output=Path("none/x.yaml"))
    assert "a name is made of letters" in refusal(folder, name="a b")
    assert "at least one label" in refusal(folder, name="x", scan=0)
    assert "none.txt: no such file" in refusal(folder, name="x", tree=Path("none.txt"))
    assert "a tree is a text file" in refusal(folder, name="x", tree=Path("set.yaml"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.yaml"]


def test_labels_with_too_many_values_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "images" / f"x{number}y.jpg", photo(40, 40))
        many = np.arange(1600).reshape(40, 40)
        save(tmp_path / "labels" / f"x{number}y.png", many, mode=np.uint16)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harmonize.tools.draft.draft_pixels._FEW_GREYS", 5000)
    assert "hold more than 1000 values, too many for classes" in refusal(tmp_path)


@given(st.one_of(st.text(), st.integers(), st.none(), st.booleans()))
def test_every_value_reads_back(value: str | int | bool | None) -> None:
    assert load_text(f"key: {quoted(value)}", "test").value == {"key": value}


@given(st.dictionaries(st.text(min_size=1), st.lists(st.text(), max_size=3), max_size=3))
def test_every_name_reads_back_as_a_key(value: dict[str, list[str]]) -> None:
    assert load_text(quoted(dict(value)), "test").value == value  # type: ignore[arg-type]


def test_comments_stay_on_their_line_and_in_their_column() -> None:
    lines = [YamlLine("a: 1", "one\ntwo"), YamlLine("long: 2", "x"), YamlLine("none: 3")]
    assert aligned(lines) == ["a: 1     # one\\ntwo", "long: 2  # x", "none: 3"]
