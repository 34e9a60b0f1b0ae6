"""The data set's own files that give the ids of its classes."""

import json
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.labels.class_file import ClassFile

NAMES = ["sky", "road", "void"]
CONFIG = {"labels": [{"name": name, "color": [0, 0, 0]} for name in NAMES]}


def write(root: Path, content: object) -> Path:
    """Write the class file of a data set."""
    (root / "config.json").write_text(json.dumps(content))
    return root


def refused(root: Path, classes: ClassFile, names: list[str] | None = None) -> tuple[str, ...]:
    """Return the problems that looking up the classes raises."""
    with pytest.raises(HarmonizeError) as caught:
        classes.look_up(root, NAMES if names is None else names)
    return caught.value.problems


def test_a_class_has_the_id_of_its_position(tmp_path: Path) -> None:
    classes = ClassFile("config.json")
    assert classes.look_up(write(tmp_path, CONFIG), ["void", "sky", "road"]) == [2, 0, 1]


def test_a_key_may_give_the_id(tmp_path: Path) -> None:
    content = {"categories": [{"title": "b", "number": 70000}, {"title": "a", "number": 7}]}
    classes = ClassFile("config.json", items="categories", name="title", id="number")
    assert classes.look_up(write(tmp_path, content), ["a", "b"]) == [7, 70000]


def test_the_file_may_be_the_list_itself(tmp_path: Path) -> None:
    classes = ClassFile("config.json", items="")
    assert classes.look_up(write(tmp_path, CONFIG["labels"]), NAMES) == [0, 1, 2]


def test_a_class_missing_on_either_side_is_named(tmp_path: Path) -> None:
    write(tmp_path, CONFIG)
    assert refused(tmp_path, ClassFile("config.json"), ["sky", "raod", "hill"]) == (
        f"{tmp_path}/config.json: no class 'raod', which the mapping has; did you mean road?",
        f"{tmp_path}/config.json: no class 'hill', which the mapping has; "
        "choose from: sky, road, void",
        f"{tmp_path}/config.json: the class 'road' is not in the mapping; add it to `classes`",
        f"{tmp_path}/config.json: the class 'void' is not in the mapping; add it to `classes`",
    )


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("", ClassFile("config.json")),
        ("{", ClassFile("config.json")),
        ("[" * 100_000, ClassFile("config.json")),
        ("3", ClassFile("config.json", items="")),
        ("[]", ClassFile("config.json")),
        ("{}", ClassFile("config.json")),
        ('{"labels": null}', ClassFile("config.json")),
        ('{"labels": [1]}', ClassFile("config.json")),
        ('{"labels": ["sky"]}', ClassFile("config.json")),
        ('{"labels": [{"title": "sky"}]}', ClassFile("config.json")),
        ('{"labels": [{"name": "sky"}]}', ClassFile("config.json", id="id")),
        ('{"labels": {"sky": {"name": "sky"}}}', ClassFile("config.json")),
        ('{"labels": []}', ClassFile("config.json", items="")),
    ],
)
def test_a_class_file_that_looks_different_is_refused(
    tmp_path: Path, text: str, classes: ClassFile
) -> None:
    (tmp_path / "config.json").write_text(text)
    (problem,) = refused(tmp_path, classes)
    assert problem == (
        f"{tmp_path}/config.json: expected classes under {classes.items!r} with the key 'name'; "
        "check the mapping's `class_file`"
    )


def test_a_missing_class_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, ClassFile("sub/config.json")) == (
        f"{tmp_path}/sub/config.json: no such file",
    )


@pytest.mark.parametrize("number", [-(1 << 31) - 1, 1 << 32, 3.0, "3", None, True])
def test_an_id_in_a_class_file_must_be_one(tmp_path: Path, number: object) -> None:
    write(tmp_path, [{"name": "sky", "id": number}])
    assert refused(tmp_path, ClassFile("config.json", items="", id="id"), ["sky"]) == (
        f"{tmp_path}/config.json: the class 'sky' has no usable id, got {number!r}",
    )


def test_an_id_may_be_negative(tmp_path: Path) -> None:
    write(tmp_path, [{"name": "sky", "id": -1}, {"name": "void", "id": -9999}])
    found = ClassFile("config.json", items="", id="id").look_up(tmp_path, ["void", "sky"])
    assert found == [-9999, -1]


@pytest.mark.parametrize("second", [{"name": "sky", "id": 4}, {"name": "road", "id": 3}])
def test_a_class_file_with_a_name_or_an_id_twice_is_refused(
    tmp_path: Path, second: dict[str, object]
) -> None:
    write(tmp_path, [{"name": "sky", "id": 3}, second])
    names = ["sky", str(second["name"])]
    (problem,) = refused(tmp_path, ClassFile("config.json", items="", id="id"), names)
    assert problem == (
        f"{tmp_path}/config.json: {second['name']!r} or its id {second['id']} stands there twice"
    )
