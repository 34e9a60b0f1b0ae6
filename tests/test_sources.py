"""What a config names: found, checked together, and opened."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.data.open_datasets import open_datasets, open_trained
from harmonize.labels.sources import Sources, load_sources

TREE = "sky\nground\n\troad\n\tgrass\n"
MAPPING = """\
name: {name}
picture: "{{id}}.png"
label: "{{id}}_label.png"
encoding: ids
splits:
  train: {{range: [0, 1]}}
  val: {{range: [2, 2]}}
classes: {{above: 0, below: 1}}
meaning:
  street: {{above: sky, below: {below}}}
"""
CONFIG = """\
ontology: street.txt
datasets:
  - {spec: one.yaml, train: train, evaluate: val}
  - {spec: two.yaml, evaluate: val}
evaluate_also:
  - {spec: three.yaml, evaluate: val}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a tree and three mappings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARMONIZE_DATA", raising=False)
    Path("street.txt").write_text(TREE)
    for name, below in [("one", "ground"), ("two", "[sky, road]"), ("three", "[sky, grass]")]:
        Path(f"{name}.yaml").write_text(MAPPING.format(name=name, below=below))
    return tmp_path


def load(text: str = CONFIG, *overrides: str) -> Sources:
    return load_sources(RunConfig.from_document(load_text(text, "run.yaml"), overrides))


def problems(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(HarmonizeError) as caught:
        load(CONFIG, *overrides)
    return caught.value.problems


def draw(root: Path, numbers: list[int]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(np.full((2, 3, 3), number, np.uint8)).save(root / f"{number}.png")
        Image.fromarray(np.eye(2, 3, dtype=np.uint8)).save(root / f"{number}_label.png")


def test_sources_are_the_tree_and_the_mappings_in_the_configs_order() -> None:
    sources = load()
    assert sources.ontology.leaves == ("sky", "road", "grass")
    assert [spec.name for spec in sources.specs] == ["one", "two", "three"]
    assert [(entry.spec, spec.name) for entry, spec in sources.trained] == [
        ("one.yaml", "one"),
        ("two.yaml", "two"),
    ]
    assert [(entry.spec, spec.name) for entry, spec in sources.also] == [("three.yaml", "three")]


def test_the_target_space_holds_what_is_trained_on_alone() -> None:
    space = load().space
    assert [spec.name for spec in space.specs] == ["one"]
    assert space.class_codes("one").tolist() == [0, 3]
    assert space.num_codes == 4


def test_overrides_of_an_entry_change_its_mapping() -> None:
    sources = load(CONFIG, "datasets.0.override={meaning.street.below: grass, name: uno}")
    assert sources.specs[0].meaning["street"]["below"] == ("grass",)
    assert sources.specs[0].name == "uno"


def test_shipped_trees_and_mappings_are_found_from_anywhere() -> None:
    text = "ontology: trees/faces.txt\ndatasets: [{spec: datasets/helen.yaml, train: train}]\n"
    assert load(text).space.num_codes == 11


def test_everything_that_is_wrong_is_told_at_once() -> None:
    Path("one.yaml").write_text(MAPPING.format(name="one", below="gras"))
    assert problems("datasets.1.evaluate=vale", "evaluate_also.0.spec=none.yaml") == (
        "one.yaml:10:24: meaning.street.below: no node 'gras' in street; did you mean grass?",
        "two.yaml:5:1: splits: no split 'vale'; did you mean val?",
        "none.yaml: no such file",
    )


def test_a_missing_tree_does_not_hide_wrong_mappings() -> None:
    assert problems("ontology=none.txt", "datasets.0.train=trian") == (
        "none.txt: no such file",
        "one.yaml:5:1: splits: no split 'trian'; did you mean train?",
    )


def test_a_bad_tree_is_told_with_its_place() -> None:
    Path("street.txt").write_text("sky\nsky\n")
    assert problems() == ("street.txt:2:1: 'sky' stands on line 1 already; names are unique",)


def test_a_tree_that_a_mapping_does_not_serve_is_refused() -> None:
    Path("other.txt").write_text(TREE)
    told = problems("ontology=other.txt")
    assert [problem.partition(": ")[0] for problem in told] == [
        "one.yaml:9:1",
        "two.yaml:9:1",
        "three.yaml:9:1",
    ]
    assert all("says nothing about the ontology 'other', only about street" in one for one in told)


def test_two_sets_of_one_name_are_refused() -> None:
    assert problems("datasets.1.spec=one.yaml", "evaluate_also.0.spec=one.yaml") == (
        "one: two data sets of the config have this name; override `name` in one of them",
    )
    again = load(CONFIG, "datasets.1={spec: one.yaml, evaluate: val, override: {name: again}}")
    assert [spec.name for spec in again.specs] == ["one", "again", "three"]


def test_data_sets_are_opened_from_their_folders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "given", [0, 1])
    draw(folder / "env" / "two", [2])
    monkeypatch.setenv("HARMONIZE_DATA", "env")
    one, two, _ = load().specs
    opened = open_datasets([(one, "train"), (two, "val")], {"one": "given"})
    assert [(data.spec.name, data.split, len(data)) for data in opened] == [
        ("one", "train", 2),
        ("two", "val", 1),
    ]
    sample = opened[1][0]
    assert sample.picture.shape == (3, 2, 3)
    assert sample.picture.unique().tolist() == [2]
    assert sample.classes.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_all_data_that_is_missing_is_told_at_once(folder: Path) -> None:
    draw(folder / "given", [0])
    one, two, three = load().specs
    with pytest.raises(HarmonizeError) as caught:
        open_datasets([(one, "train"), (two, "val"), (three, "vla")], {"one": "given"})
    missing, nowhere = caught.value.problems[:2]
    assert missing.startswith(
        "one.yaml:6:3: splits.train: 2 files of one, for 1 of 2 pictures, "
        "are missing from given: 1.png, 1_label.png; "
    )
    assert nowhere == ("two: the data set's folder was not found; say data.roots.two=FOLDER")
    assert caught.value.problems[2].startswith("three: the data set's folder was not found")


def test_no_data_sets_are_opened_as_none() -> None:
    assert open_datasets([], {}) == []


PARTS = """\
ontology: street.txt
datasets:
  - {spec: parts.yaml, train: train, take: 0.25}
  - {spec: parts.yaml, train: train, take: [0.25, 1.0], max_depth: 1, override: {name: rest}}
"""
FINE = """\
name: parts
picture: "{id}.png"
label: "{id}_label.png"
encoding: ids
splits: {train: {range: [0, 19]}}
classes: {up: 0, way: 1, green: 2, any: 3}
meaning: {street: {up: sky, way: road, green: grass, any: [sky, road]}}
"""


def parts(*overrides: str) -> RunConfig:
    Path("parts.yaml").write_text(FINE)
    return RunConfig.from_document(load_text(PARTS, "run.yaml"), overrides)


def taken(root: Path, *overrides: str) -> list[set[str]]:
    roots = f"data.roots={{parts: {root}, rest: {root}}}"
    config = parts(*overrides, roots)
    opened = open_trained(load_sources(config), config)
    return [{data.files.picture(number) for number in range(len(data))} for data in opened]


def test_parts_of_one_split_share_no_picture_and_depend_on_the_seed(folder: Path) -> None:
    draw(folder / "all", list(range(20)))
    first, rest = taken(folder / "all")
    assert len(first) == 5
    assert not first & rest
    assert first | rest == {f"{number}.png" for number in range(20)}
    assert taken(folder / "all") == [first, rest]
    assert taken(folder / "all", "seed=1")[0] != first
    half, _ = taken(folder / "all", "datasets.0.take=0.5", "datasets.1.take=[0.5, 1.0]")
    assert first < half


def test_a_part_without_a_picture_is_refused(folder: Path) -> None:
    draw(folder / "all", list(range(20)))
    with pytest.raises(HarmonizeError) as caught:
        taken(folder / "all", "datasets.0.take=0.01")
    assert caught.value.problems == ("parts: take 0.01 of 20 pictures is none; take more",)


def test_labels_are_coarsened_to_a_depth_and_those_that_teach_nothing_then_ignored() -> None:
    sources = load_sources(parts())
    space = sources.space
    assert [space.name(code) for code in space.class_codes("parts").tolist()] == [
        *("sky", "road", "grass", "sky + road"),
    ]
    assert [space.name(code) for code in space.class_codes("rest").tolist()] == [
        *("sky", "ground", "ground", "ignore"),  # any: sky and ground, which is everything
    ]
    scored = {spec.name: spec for spec in sources.specs}["rest"]
    assert scored.meaning["street"]["way"] == ("road",)  # only training takes coarser ones


def test_a_depth_that_the_tree_lacks_or_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(HarmonizeError) as caught:
        load_sources(parts("datasets.1.max_depth=3"))
    assert caught.value.problems == (
        "rest: max_depth 3: street has the depths 1 to 2; give another, or remove it",
    )
    Path("street.txt").write_text("ground\n\tsky\n\troad\n\tgrass\n")
    with pytest.raises(HarmonizeError) as caught:
        load_sources(parts())
    assert caught.value.problems[0].startswith("rest: max_depth 1: every class means the whole")


@pytest.mark.parametrize("key", ["take: 0.5", "max_depth: 1"])
def test_keys_about_training_belong_to_sets_that_are_trained_on(key: str) -> None:
    name = key.split(":")[0]
    assert problems(f"datasets.1={{spec: two.yaml, evaluate: val, {key}}}") == (
        f"command line: datasets.1.{name}: the set is not trained on; remove the key",
    )
