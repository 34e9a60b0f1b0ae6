"""Networks that are compiled while they train."""

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from harmonize import HarmonizeError
from harmonize.pipeline.preflight import check_run
from harmonize.pipeline.train import train
from harmonize.runs.checkpoints import step_path
from harmonize.training import compilation
from tiny import tiny_config, write_project


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # read by the type checker
@pytest.mark.parametrize("norm", ["group", "batch_per_dataset"])
def test_a_compiled_run_is_kept_and_resumed_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, norm: str
) -> None:
    """What is compiled here runs PyTorch's own operations, so that weights are equal."""
    seen: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> object:
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    project = write_project(tmp_path)
    norms = f"model.norm={norm}"
    plain = train(tiny_config(project, tmp_path / "plain", norms), name="plain")
    assert not seen
    options = (norms, "train.compile=true", "train.checkpoint_every=2")
    run = train(tiny_config(project, tmp_path / "compiled", *options), name="compiled")
    assert seen
    last = max((run / "checkpoints").glob("step-*")).name
    expected = load_file(plain / "checkpoints" / last)
    found = load_file(run / "checkpoints" / last)
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in found)
    step_path(run, int(last.removeprefix("step-").partition(".")[0])).unlink()
    config = tiny_config(project, run, *options, "train.resume=true")
    train(config, name="compiled")
    assert all(
        torch.equal(tensor, found[name])
        for name, tensor in load_file(run / "checkpoints" / last).items()
    )


def test_a_network_is_compiled_in_place_of_its_own_forward() -> None:
    network = compilation.compile_network(nn.Conv2d(3, 4, 1))
    assert network.state_dict().keys() == {"_orig_mod.weight", "_orig_mod.bias"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU needs no C++ compiler")
def test_a_missing_compiler_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    config = tiny_config(write_project(tmp_path), tmp_path / "run", "train.compile=true")
    with pytest.raises(
        HarmonizeError, match=r"train\.compile: the C\+\+ compiler no-such-compiler"
    ):
        check_run(config)
