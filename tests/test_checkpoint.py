"""Checkpoints: what is written is what is read, whole or not at all."""

import dataclasses
import json
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from checkpoint_cases import make
from harmonize import HarmonizeError, UNet
from harmonize.config.train_config import OptimConfig
from harmonize.runs import checkpoint
from harmonize.training.optimizer import build_optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    state, network = make(tmp_path, name)
    checkpoint.save(state, tmp_path / "a.safetensors")
    back = checkpoint.load(tmp_path / "a.safetensors")
    assert (back.step, back.standing) == (7, state.standing)
    assert torch.equal(back.meter, state.meter)
    assert back.config == state.config
    assert back.ontology == state.ontology
    assert back.mappings == state.mappings
    for read, written in ((back.model, state.model), (back.ema, state.ema)):
        assert read.keys() == written.keys()
        assert all(torch.equal(read[key], value) for key, value in written.items())
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
    checkpoint.save(state, tmp_path / "a.safetensors")
    (tmp_path / "tiny.txt").unlink()
    (tmp_path / "fine.yaml").unlink()
    back = checkpoint.load(tmp_path / "a.safetensors")
    sources = back.sources()
    assert sources.ontology.leaves == ("background", "left", "right")
    assert [spec.name for spec in sources.specs] == ["fine", "coarse"]
    assert back.run_config().data.size == 16


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoint.save(state, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HarmonizeError, match=r"a\.safetensors: not a whole checkpoint"):
        checkpoint.load(path)


def test_a_file_of_another_program_is_named(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "b.safetensors")
    with pytest.raises(HarmonizeError, match=r"b\.safetensors: .* but another's file"):
        checkpoint.load(tmp_path / "b.safetensors")
    tensors = {"a": torch.zeros(2)}
    for facts in ("{}", "[]", "x", '{"optimizer_numbers": {}}', '{"optimizer_numbers": []}'):
        metadata = {"harmonize": f"{checkpoint.checksum_of(facts, tensors)} {facts}"}
        save_file(tensors, tmp_path / "b.safetensors", metadata=metadata)
        with pytest.raises(HarmonizeError, match=r"b\.safetensors: .* this version of harmonize"):
            checkpoint.load(tmp_path / "b.safetensors")
    with pytest.raises(HarmonizeError, match="no such checkpoint"):
        checkpoint.load(tmp_path / "c.safetensors")


def standing(**changes: object) -> dict[str, object]:
    return {"best": None, "best_step": 0, "answers_with": "raw", **changes}


@pytest.mark.parametrize(
    ("key", "forged"),
    [
        *[("step", step) for step in (-1, 1.5, True, "7")],
        *[("standing", forged) for forged in ("x", {}, {"best": None})],
        *[("standing", standing(best=best)) for best in ("0.5", True, float("nan"))],
        *[("standing", standing(best_step=step)) for step in (-1, None, True)],
        ("standing", standing(answers_with="both")),
        *[("scaler", "x"), ("health", "x"), ("health", {"unknown": 1})],
        *[("config", config) for config in (None, 7, ["steps"])],
        *[("ontology", tree) for tree in (["tiny"], ["tiny", 7], "ab", {"a": 1, "b": 2})],
        *[("mappings", mappings) for mappings in ([], ["classes:", None], "ab", None)],
        *[("optimizer_numbers", numbers) for numbers in ("x", {"0": 1}, {"x": {}})],
        *[("param_groups", groups) for groups in ("x", ["x"], [{}], [{"params": "x"}])],
        *[("param_groups", [{"params": [0], "scale": scale}]) for scale in ("1", True, None)],
    ],
)
def test_facts_of_another_type_are_refused(tmp_path: Path, key: str, forged: object) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoint.save(state, path)
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["harmonize"].partition(" ")[2])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text = json.dumps(facts | {key: forged})
    metadata = {"harmonize": f"{checkpoint.checksum_of(text, tensors)} {text}"}
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(HarmonizeError, match=r"a\.safetensors: .* this version of harmonize: "):
        checkpoint.load(path)


def test_mappings_that_are_missing_are_noticed(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    state = dataclasses.replace(state, mappings=state.mappings[:1])
    with pytest.raises(HarmonizeError, match="not as many as its config has sets"):
        state.sources()


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoint.save(state, path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    in_header, in_data = rng.integers(0, header, 20), rng.integers(header, len(whole), 20)
    for place in [*in_header, *in_data, len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(HarmonizeError, match=r"a\.safetensors: not a whole checkpoint"):
            checkpoint.load(path)
    for damaged in (b"", whole[:5], whole[: header + 9], bytes(len(whole)), whole + b"x"):
        path.write_bytes(damaged)
        with pytest.raises(HarmonizeError, match=r"a\.safetensors: not a whole checkpoint"):
            checkpoint.load(path)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    path = tmp_path / "a.safetensors"
    checkpoint.save(state, path)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limit[1]))
    try:
        with pytest.raises(
            HarmonizeError, match=r"a\.safetensors.*cannot be written: File too large"
        ):
            checkpoint.save(state, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(HarmonizeError, match=r"file/a\.safetensors: .*cannot be written: "):
        checkpoint.save(state, tmp_path / "file" / "a.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state, _ = make(tmp_path)
    with pytest.raises(HarmonizeError, match=r"x\.safetensors: belongs to another network"):
        checkpoint.restore_model(UNet(3, 16), state, tmp_path / "x.safetensors")
