"""What is found wrong with a network before a run begins."""

import dataclasses
from pathlib import Path

import pytest
import torch

from harmonize.config.model_config import ModelConfig
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.models.own_code import PASSED
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
        "model.channels: pictures have 3 bands, got 4; give the bands' names instead, such as "
        "[red, green, blue, nir]"
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


@pytest.mark.parametrize(
    ("model", "size", "batch", "accumulate", "told"),
    [
        ("{name: deeplabv3_resnet50}", 32, 1, 1, "1 picture of 32 x 32"),
        ("{name: deeplabv3_resnet50}", 32, 4, 4, "1 picture of 32 x 32"),
        ("{name: deeplabv3_resnet50}", 32, 2, 1, None),
        ("{name: unet, width: 8}", 16, 1, 1, "1 picture of 16 x 16"),
        ("{name: unet, width: 8}", 16, 2, 2, "1 picture of 16 x 16"),
        ("{name: unet, width: 8}", 12, 1, 1, "1 picture of 12 x 12"),
        ("{name: unet, width: 8}", 17, 1, 1, None),
        ("{name: unet, width: 8}", 16, 2, 1, None),
        ("{name: unet, width: 8, norm: group}", 16, 1, 1, None),
        ("{name: unet, width: 8, freeze_statistics: true}", 16, 1, 1, None),
    ],
)
def test_batch_norm_needs_more_than_one_value_per_channel(
    tmp_path: Path, model: str, size: int, batch: int, accumulate: int, told: str | None
) -> None:
    overrides = (
        f"model={model}",
        f"data.size={size}",
        f"data.batch_size={batch}",
        f"train.accumulate={accumulate}",
    )
    if told is None:
        check_run(tiny_config(write_project(tmp_path), tmp_path / "run", *overrides))
        return
    assert problems(tmp_path, *overrides) == [
        f"data.batch_size: a part of a batch is {told} pixels here, but batch norm needs more than "
        "one value per channel; raise data.batch_size, lower train.accumulate, or say "
        "model.norm=group"
    ]


def test_the_parts_of_several_processes_are_smaller_unless_they_share_their_norms(
    tmp_path: Path,
) -> None:
    overrides = ("model={name: unet, width: 8}", "data.size=16", "data.batch_size=2")
    config = tiny_config(write_project(tmp_path), tmp_path / "run", *overrides)
    check_run(config, num_processes=1)
    check_run(config, num_processes=2, shared_norms=True)
    with pytest.raises(HarmonizeError, match="a part of a batch is 1 picture of 16 x 16 pixels"):
        check_run(config, num_processes=2)


def test_a_network_that_was_passed_is_not_tried_itself(
    tmp_path: Path,
) -> None:
    class Own(torch.nn.Module):
        """Keeps where its last picture was, and has a batch norm over whole pictures."""

        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Conv2d(3, 3, 1)
            self.norm = torch.nn.BatchNorm1d(3)
            self.last = torch.zeros(())

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            self.last = pictures
            logits = self.head(pictures)
            return logits + self.norm(logits.mean((2, 3)))[:, :, None, None]

    network = Own()
    config = tiny_config(write_project(tmp_path), tmp_path / "run", "data.batch_size=1")
    config = dataclasses.replace(config, model=ModelConfig(name=PASSED))
    with pytest.raises(HarmonizeError, match="batch norm needs more than one value per channel"):
        check_run(config, network)
    assert network.last.device.type == "cpu"
    assert all(parameter.requires_grad for parameter in network.parameters())
