"""Checkpoints: what is written is what is read, whole or not at all."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny_config, write_project

from harmonize import HarmonizeError, UNet
from harmonize.config import OptimConfig
from harmonize.sources import load_sources
from harmonize.training import checkpoint as checkpoints
from harmonize.training.checkpoint import Checkpoint, describe_run
from harmonize.training.optimizer import build_optimizer


def make(tmp_path: Path, optimizer_name: str = "adamw") -> tuple[Checkpoint, UNet]:
    config = tiny_config(write_project(tmp_path), tmp_path / "run")
    network = UNet(3, 8)
    optimizer = build_optimizer(network, OptimConfig(name=optimizer_name))  # type: ignore[arg-type]
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    state = Checkpoint(
        step=7,
        model=network.state_dict(),
        optimizer=optimizer.state_dict(),
        scaler=None,
        meter=torch.arange(12.0).view(2, 2, 3),
        best=0.25,
        **describe_run(config, load_sources(config)),
    )
    return state, network


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    state, network = make(tmp_path, name)
    checkpoints.save(state, tmp_path / "a.safetensors")
    back = checkpoints.load(tmp_path / "a.safetensors")
    assert (back.step, back.best) == (7, 0.25)
    assert torch.equal(back.meter, state.meter)
    assert back.config == state.config
    assert back.ontology == state.ontology
    assert back.mappings == state.mappings
    assert all(torch.equal(back.model[key], value) for key, value in state.model.items())
    optimizer = build_optimizer(network, OptimConfig(name=name))  # type: ignore[arg-type]
    optimizer.load_state_dict(back.optimizer)
    again = optimizer.state_dict()
    groups = json.loads(json.dumps(state.optimizer["param_groups"]))  # tuples come back as lists
    assert again["param_groups"] == groups
    for index, entries in state.optimizer["state"].items():
        assert set(again["state"][index]) == set(entries)
        for key, value in entries.items():
            assert torch.equal(torch.as_tensor(again["state"][index][key]), torch.as_tensor(value))


def test_the_run_can_be_rebuilt_without_its_files(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    checkpoints.save(state, tmp_path / "a.safetensors")
    (tmp_path / "tiny.txt").unlink()
    (tmp_path / "fine.yaml").unlink()
    back = checkpoints.load(tmp_path / "a.safetensors")
    sources = back.sources()
    assert sources.ontology.leaves == ("background", "left", "right")
    assert [spec.name for spec in sources.specs] == ["fine", "coarse"]
    assert back.run_config().data.size == 16


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoints.save(state, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HarmonizeError, match=r"a\.safetensors: not a whole checkpoint"):
        checkpoints.load(path)


def test_a_file_of_another_program_is_named(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "b.safetensors")
    with pytest.raises(HarmonizeError, match=r"b\.safetensors: .* but another's file"):
        checkpoints.load(tmp_path / "b.safetensors")
    for facts in ("{}", "[]", "x", '{"optimizer_numbers": {}}'):
        save_file({"a": torch.zeros(2)}, tmp_path / "b.safetensors", metadata={"harmonize": facts})
        with pytest.raises(HarmonizeError, match=r"b\.safetensors: .* this version of harmonize"):
            checkpoints.load(tmp_path / "b.safetensors")
    with pytest.raises(HarmonizeError, match="no such checkpoint"):
        checkpoints.load(tmp_path / "c.safetensors")


def test_a_failed_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoints.save(state, path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(HarmonizeError, match=r"a\.safetensors.*No space left"):
        checkpoints.save(state, path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_the_newest_two_and_the_best_stay(tmp_path: Path) -> None:
    folder = tmp_path / checkpoints.FOLDER
    folder.mkdir()
    for step in (5, 10, 200, 1000):
        checkpoints.step_path(tmp_path, step).touch()
    (folder / checkpoints.BEST).touch()
    (folder / ".step-00000007.safetensors.part").touch()
    checkpoints.remove_old(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors",
        "step-00000200.safetensors",
        "step-00001000.safetensors",
    ]
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    assert newest.name == "step-00001000.safetensors"


def test_choosing_a_checkpoint_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="no such run folder"):
        checkpoints.choose(tmp_path / "none", "last")
    with pytest.raises(HarmonizeError, match="holds no best checkpoint"):
        checkpoints.choose(tmp_path, "best")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    with pytest.raises(HarmonizeError, match=r"x\.safetensors: belongs to another network"):
        checkpoints.restore_model(UNet(3, 16), state, tmp_path / "x.safetensors")
