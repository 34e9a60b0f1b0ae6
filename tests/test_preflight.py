"""What is found wrong with a network before a run begins."""

import dataclasses
from pathlib import Path

import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.pipeline import preflight
from harmonize.pipeline.preflight import check_run
from tiny import tiny_config, write_project


def problems(tmp_path: Path, *overrides: str) -> list[str]:
    """Return what is wrong with a config."""
    with pytest.raises(HarmonizeError) as caught:
        check_run(tiny_config(write_project(tmp_path), tmp_path / "run", *overrides))
    return list(caught.value.problems)


def test_every_mistake_about_the_network_is_named_beside_others(tmp_path: Path) -> None:
    found = problems(tmp_path, "model.name=unett", "loss.depth_weights=[1]")
    assert len(found) == 2
    assert found[0].startswith("model.name: no network 'unett'; did you mean ")


def test_pictures_have_three_bands(tmp_path: Path) -> None:
    assert problems(tmp_path, "model.channels=4") == [
        "model.channels: pictures have 3 bands, got 4"
    ]


def alone(tmp_path: Path, override: str) -> list[str]:
    """Return what is wrong with a config of the finely labelled set alone."""
    project = write_project(tmp_path)
    config = tiny_config(project, tmp_path / "run")
    entry = dataclasses.replace(config.datasets[0], override=load_text(override, "x").value)
    config = dataclasses.replace(config, datasets=(entry,))
    with pytest.raises(HarmonizeError) as caught:
        check_run(config)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("meaning", "problem"),
    [
        (
            "{background: ignore, left: left, right: ignore, void: ignore}",
            "only 'left' can be answered, so every score is 100; give the rest a node",
        ),
        (
            "{background: ignore, left: left, right: thing, void: ignore}",
            "every class may be left, so answering that everywhere is never wrong; give classes "
            "nodes that the others do not have",
        ),
        (
            "{background: ignore, left: thing, right: thing, void: ignore}",
            "every class may be thing, so answering that everywhere is never wrong; give classes "
            "nodes that the others do not have",
        ),
        (
            "{background: background, left: [background, left], right: ignore, void: ignore}",
            "every class may be background, so answering that everywhere is never wrong; give "
            "classes nodes that the others do not have",
        ),
    ],
)
def test_classes_that_one_answer_satisfies_are_refused(
    tmp_path: Path, meaning: str, problem: str
) -> None:
    (told,) = alone(tmp_path, f"{{meaning.tiny: {meaning}}}")
    assert told.endswith(f"meaning.tiny: {problem}")


def test_a_set_of_one_class_may_be_trained_on_beside_others(tmp_path: Path) -> None:
    override = "{background: ignore, left: left, right: ignore, void: ignore}"
    config = tiny_config(write_project(tmp_path), tmp_path / "run")
    entry = dataclasses.replace(
        config.datasets[0], override=load_text(f"{{meaning.tiny: {override}}}", "x").value
    )
    check_run(dataclasses.replace(config, datasets=(entry, config.datasets[1])))


def test_weights_are_looked_for_before_anything_starts_unless_a_checkpoint_follows(
    tmp_path: Path,
) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    model = "model={encoder: resnet18, weights: no.pth}"
    (problem,) = problems(tmp_path, model)
    assert problem.startswith("model.weights: no.pth: no such file; ")
    resumed = tmp_path / "resumed"
    resumed.mkdir()
    check_run(tiny_config(write_project(resumed), tmp_path, model, "train.resume=true"))


def test_a_network_that_cannot_be_compiled_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    monkeypatch.setattr(preflight, "check_compiler", lambda _: None)
    monkeypatch.setattr(smp.FPN, "_is_torch_compilable", False)
    model = "model={name: fpn, encoder: resnet18}"
    assert problems(tmp_path, model, "train.compile=true") == [
        "train.compile: fpn upon resnet18 cannot be compiled: segmentation-models-pytorch says so "
        "of FPN; say train.compile=false"
    ]
