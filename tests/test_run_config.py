"""Run configs: shipped ones load, overrides apply, and every mistake is told with its place."""

from copy import deepcopy
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import Document, Value, dump, load_text
from harmonize.labels.sources import load_sources

REPO = Path(__file__).parents[1]
CONFIGS = sorted((REPO / "configs").rglob("*.yaml"))

TEXT = """\
ontology: trees/faces.txt
datasets:
  - {spec: datasets/helen.yaml, train: train}
  - spec: datasets/lfw_parts.yaml
    evaluate: val
    weight: 2
train:
  steps: 7
augment: {scale: [0.5, 1.0]}
"""


def config(text: str = TEXT, *overrides: str) -> RunConfig:
    return RunConfig.from_document(load_text(text, "run.yaml"), overrides)


def problems(text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(HarmonizeError) as caught:
        config(text, *overrides)
    return caught.value.problems


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_load_with_all_they_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO)
    loaded = RunConfig.from_file(path)
    sources = load_sources(loaded)
    assert len(sources.trained) == len(loaded.datasets) > 0
    assert len(sources.also) == len(loaded.evaluate_also)


def test_the_demo_config_mixes_its_two_sets() -> None:
    demo = RunConfig.from_file(REPO / "configs" / "demo.yaml")
    assert [(entry.spec, entry.train, entry.evaluate, entry.weight) for entry in demo.datasets] == [
        ("datasets/helen.yaml", "train", "val", 1.2),
        ("datasets/lfw_parts.yaml", "train", "val", 1.0),
    ]


def test_the_defaults_of_the_loss_are_the_papers() -> None:
    loss = config().loss
    assert (loss.terms, loss.weighting, loss.coarse, loss.depth_weights) == (
        "all",
        "sum",
        "use",
        None,
    )


def test_written_values_replace_the_defaults() -> None:
    run = config()
    assert run.train.steps == 7
    assert run.train.log_every == 10
    assert run.augment.scale == (0.5, 1.0)
    assert run.datasets == (
        DatasetEntry("datasets/helen.yaml", train="train"),
        DatasetEntry("datasets/lfw_parts.yaml", evaluate="val", weight=2.0),
    )


def test_overrides_apply_in_order() -> None:
    run = config(TEXT, "train.steps=8", "optim.lr=1e-4", "train.steps=9", "datasets.1.train=half")
    assert (run.train.steps, run.optim.lr, run.datasets[1].train) == (9, 1e-4, "half")


def test_a_config_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(TEXT)
    assert RunConfig.from_file(path, ["seed=3"]) == config(TEXT, "seed=3")


def test_a_config_survives_being_written_out() -> None:
    run = config(
        TEXT,
        "optim.lr=1e-5",
        "loss.depth_weights=[1, 0.5]",
        "data.roots={helen: 'no'}",
        "datasets.0.override={label: 'masks/{id}.png', classes.skin: 3}",
        "train.track=[tensorboard]",
    )
    again = RunConfig.from_document(load_text(dump(run.to_dict()), "config.yaml"))
    assert again == run


def test_every_key_is_written_out() -> None:
    written = config().to_dict()
    assert written["seed"] == 0
    assert written["output"] is None
    assert written["evaluate"] == {
        "crop": False,
        "size": None,
        "flip": False,
        "scales": [1.0],
        "boundary": False,
        "decode": "tree",
        "pictures": 4,
    }
    assert cast("dict[str, Value]", written["augment"])["scale"] == [0.5, 1.0]
    assert len(cast("list[Value]", written["datasets"])) == 2


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("trian.steps=3", "trian: unknown key; did you mean train?"),
        ("train.step=3", "train.step: unknown key; did you mean steps?"),
        ("optim.nesterov=true", "optim.nesterov: unknown key; choose from: name, lr, momentum"),
        ("datasets.0.wieght=3", "datasets.0.wieght: unknown key; did you mean weight?"),
        ("train.steps=many", "train.steps: expected a whole number, got 'many'"),
        ("train.steps=1.5", "train.steps: expected a whole number, got 1.5"),
        (
            "datasets.0.take=0",
            "datasets.0.take: expected a number above 0 and at most 1 or a list of",
        ),
        (
            "datasets.0.take=1.5",
            "datasets.0.take: expected a number above 0 and at most 1 or a list",
        ),
        (
            "datasets.0.take=[0.5, 0.5]",
            "datasets.0.take: the lower bound comes first, got (0.5, 0.5)",
        ),
        ("datasets.0.max_depth=0", "datasets.0.max_depth: expected a number at least 1, got 0"),
        ("train.steps=0", "train.steps: expected a number at least 1, got 0"),
        ("seed=-1", "seed: expected a number at least 0 and at most 9.22337e+18, got -1"),
        ("optim.lr=0", "optim.lr: expected a number above 0 and at most 1e+06, got 0"),
        ("optim.lr=.inf", "optim.lr: expected a number above 0 and at most 1e+06, got inf"),
        ("optim.name=adam", "optim.name: expected one of sgd, adamw, got 'adam'"),
        ("optim.momentum=1", "optim.momentum: expected a number at least 0 and at most 0.9999"),
        ("loss.terms=none", "loss.terms: expected one of all, finest, got 'none'"),
        (
            "loss.depth_weights=[1, -1]",
            "loss.depth_weights.1: expected a number at least 0, got -1",
        ),
        (
            "model.norm=layer",
            "model.norm: expected one of batch, group, batch_per_dataset, got 'layer'",
        ),
        ("data.roots=here", "data.roots: expected a mapping of keys, got 'here'"),
        ("data.roots.helen=3", "data.roots.helen: expected text, got 3; put it in quotes"),
        ("augment.flip=1.5", "augment.flip: expected a number at least 0 and at most 1, got 1.5"),
        ("augment.scale=[0, 1]", "augment.scale.0: expected a number above 0 and at most 4, got 0"),
        ("augment.scale=[1]", "augment.scale: expected a list of 2, got [1]"),
        ("augment.scale=[0.9, 0.5]", "augment.scale: the lower bound comes first, got (0.9, 0.5)"),
        ("augment.color=1", "augment.color: expected a number at least 0 and at most 0.9, got 1"),
        ("augment.scale=[1, 5]", "augment.scale.1: expected a number above 0 and at most 4, got 5"),
        ("augment.rotate=181", "augment.rotate: expected a number at least 0 and at most 180, got"),
        ("augment.shear=61", "augment.shear: expected a number at least 0 and at most 60, got 61"),
        ("augment.stretch=0.9", "augment.stretch: expected a number at least 1 and at most 4, got"),
        (
            "augment.perspective=0.6",
            "augment.perspective: expected a number at least 0 and at most",
        ),
        ("augment.gamma=0.5", "augment.gamma: expected a number at least 1 and at most 4, got 0.5"),
        ("augment.grey=2", "augment.grey: expected a number at least 0 and at most 1, got 2"),
        ("augment.blur=-1", "augment.blur: expected a number at least 0 and at most 20, got -1"),
        (
            "augment.noise=101",
            "augment.noise: expected a number at least 0 and at most 100, got 101",
        ),
        ("augment.cutout=0.5", "augment.cutout: expected a whole number, got 0.5"),
        ("augment.paste=1.1", "augment.paste: expected a number at least 0 and at most 1, got 1.1"),
        (
            "augment={cutout: 1, cutout_size: [0.3, 0.2]}",
            "augment.cutout_size: the lower bound comes first, got (0.3, 0.2)",
        ),
        (
            "augment.cutout_size=[0.2, 0.4]",
            "augment.cutout_size: belongs to cutout; give augment.cutout too, or remove the key",
        ),
        (
            "datasets=[]",
            "datasets: nothing to train on; give at least one data set a `train` split",
        ),
        ("datasets.0.train=", "datasets: nothing to train on; give at least one data set"),
        (
            "evaluate_also=[{spec: a, train: b}]",
            "evaluate_also.0.train: these sets are never train",
        ),
        ("datasets.2.weight=1", "datasets.2.weight: '2' is no element; there are 0 to 1"),
        ("train.resume=yes", "train.resume: expected true or false, got 'yes'"),
        ("model.freeze=decoder", "model.freeze: expected none or encoder or a whole number at le"),
        ("model.freeze=0", "model.freeze: expected none or encoder or a whole number at least 1"),
        ("optim.encoder_lr=0", "optim.encoder_lr: expected a number above 0, got 0"),
        ("optim.layer_decay=1.1", "optim.layer_decay: expected a number above 0 and at most 1"),
        ("optim.clip=0", "optim.clip: expected a number above 0, got 0"),
        ("train.ema=1", "train.ema: expected a number above 0 and at most 0.999999, got 1"),
        ("train.epochs=2", "train.epochs: train.steps is given too; remove one of them"),
        ("train.epochs_of=helen", "train.epochs_of: belongs to train.epochs; give it too, or"),
        ("train.unfreeze_at=3", "train.unfreeze_at: nothing is frozen; give model.freeze, or re"),
    ],
)
def test_a_wrong_override_is_told(override: str, problem: str) -> None:
    (told,) = problems(TEXT, override)
    place, _, rest = told.partition(": ")
    assert place in ("command line", "run.yaml:2:1")
    assert rest.startswith(problem)


def test_keys_that_need_others_say_so() -> None:
    patience = problems(TEXT, "train.patience=2")
    assert patience == (
        "command line: train.patience: counts evaluations; give train.evaluate_every too",
        "command line: train.patience: no data set is both trained on and scored; give one of them "
        "`evaluate`",
    )
    scored = ["train.evaluate_every=5", "datasets.0.evaluate=val"]
    assert config(TEXT, "train.patience=2", *scored).train.patience == 2
    assert problems(TEXT, "model.freeze=2", "train.unfreeze_at=7") == (
        "command line: train.unfreeze_at: never comes in a run of 7 steps; give a smaller number",
    )
    assert config(TEXT, "model.freeze=2", "train.unfreeze_at=6").model.freeze == 2


def test_mistakes_in_the_file_are_told_with_their_places_all_at_once() -> None:
    text = TEXT.replace("steps: 7", "steps: x").replace("weight: 2", "wieght: 2") + "sead: 1\n"
    assert problems(text) == (
        "run.yaml:10:1: sead: unknown key; did you mean seed?",
        "run.yaml:6:5: datasets.1.wieght: unknown key; did you mean weight?",
        "run.yaml:8:3: train.steps: expected a whole number, got 'x'",
    )


def test_mistakes_between_keys_are_told_all_at_once() -> None:
    text = TEXT.replace("train: train", "evaluate: val").replace("[0.5, 1.0]", "[1.0, 0.5]")
    text += "evaluate_also:\n  - spec: a.yaml\n    train: all\n"
    assert problems(text) == (
        "run.yaml:2:1: datasets: nothing to train on; give at least one data set a `train` split",
        "run.yaml:12:5: evaluate_also.0.train: these sets are never trained on; remove the key",
        "run.yaml:9:11: augment.scale: the lower bound comes first, got (1.0, 0.5)",
    )


def test_an_empty_config_lacks_its_two_keys() -> None:
    assert problems("") == (
        "run.yaml: the key 'ontology' is missing; add it",
        "run.yaml: the key 'datasets' is missing; add it",
    )


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"none\.yaml: no such file$"):
        RunConfig.from_file(tmp_path / "none.yaml")


def test_files_are_found_from_the_working_directory_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file("trees/faces.txt") == REPO / "trees" / "faces.txt"
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "faces.txt").write_text("a\n")
    assert find_file("trees/faces.txt").read_text() == "a\n"


def test_what_a_config_names_is_found_beside_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    text = (
        "ontology: own.txt\n"
        "datasets:\n"
        "  - {spec: sets/a.yaml, train: train}\n"
        "  - {spec: datasets/helen.yaml, train: train}\n"
        "evaluate_also: [{spec: b.yaml, evaluate: val}]\n"
    )
    path = tmp_path / "there" / "run.yaml"
    path.write_text(text)
    with pytest.raises(HarmonizeError) as caught:
        RunConfig.from_file("../there/run.yaml")
    looked_at = (
        f"in {tmp_path}/here (where the command runs), beside the config or among the shipped "
        "files; correct the path, or run the command in the folder that it starts from"
    )
    assert caught.value.problems == (
        f"../there/run.yaml:1:1: ontology: there is no file own.txt {looked_at}",
        f"../there/run.yaml:3:6: datasets.0.spec: there is no file sets/a.yaml {looked_at}",
        f"../there/run.yaml:5:18: evaluate_also.0.spec: there is no file b.yaml {looked_at}",
    )
    (tmp_path / "there" / "sets").mkdir()
    for name in ("own.txt", "sets/a.yaml", "b.yaml"):
        (tmp_path / "there" / name).write_text("")
    (tmp_path / "here" / "b.yaml").write_text("")  # comes first
    found = RunConfig.from_file("../there/run.yaml")
    assert found.ontology == f"{tmp_path}/there/own.txt"
    assert [entry.spec for entry in (*found.datasets, *found.evaluate_also)] == [
        f"{tmp_path}/there/sets/a.yaml",
        "datasets/helen.yaml",
        "b.yaml",
    ]
    with pytest.raises(HarmonizeError, match=r"^command line: ontology: there is no file x\.txt"):
        RunConfig.from_file(path, ["ontology=x.txt"])
    with pytest.raises(HarmonizeError, match=r"ontology: there is no file /x/y\.txt; correct the"):
        RunConfig.from_file(path, ["ontology=/x/y.txt"])
    several = text.replace("ontology: own.txt", "ontologies: [own.txt, trees/no.txt]")
    path.write_text(several)
    with pytest.raises(HarmonizeError, match=r"1:23: ontologies\.1: there is no file trees/no"):
        RunConfig.from_file(path)


def test_a_file_that_is_nowhere_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file("trees/none.txt") == Path("trees/none.txt")


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_file("~/tree.txt") == tmp_path / "tree.txt"
    assert find_file("~no_such_user_/tree.txt") == Path("~no_such_user_/tree.txt")


PARSED = load_text(TEXT, "run.yaml")
KEYS = """
ontology datasets datasets.0 datasets.0.spec datasets.1.weight datasets.0.override evaluate_also
data data.size data.roots augment.flip augment.scale augment.scale.0 model.name model.width
loss.terms loss.depth_weights optim.lr train.steps train.track evaluate seed output zzz
"""
keys = st.sampled_from(KEYS.split())
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), keys)
values = st.recursive(
    scalars,
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(keys, part, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.dictionaries(keys, values, max_size=3))
def test_any_values_make_a_config_or_are_refused(changes: dict[str, object]) -> None:
    document = deepcopy(PARSED)
    run, refused = None, ()
    try:
        for key, value in changes.items():
            document.set(key, cast("Value", value), source="command line")
        run = RunConfig.from_document(document)
    except HarmonizeError as error:
        refused = error.problems
    assert all(told.startswith(("run.yaml", "command line")) for told in refused)
    if run is not None:
        assert RunConfig.from_document(Document("again", run.to_dict())) == run


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=40), values.map(lambda value: dump(cast("Value", value)))))
def test_any_text_is_refused_as_a_config(text: str) -> None:
    assert all(told.startswith("run.yaml") for told in problems(text))
