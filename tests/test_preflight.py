"""What is found wrong with a network before a run begins."""

from pathlib import Path

import pytest

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
