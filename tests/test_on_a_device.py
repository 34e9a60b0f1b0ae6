"""The loss, scoring and whole runs on a device: a GPU's results beside the CPU's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import HierarchicalLoss
from harmonize.config.strict_yaml import dump
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.tools.benchmark.candidates import OPTIONS, Case, make_inputs
from harmonize.tools.benchmark.made_up import tree_of
from tiny import tiny_values, write_project

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = pytest.param("cuda", marks=[needs_gpu, pytest.mark.gpu])
on_each_device = pytest.mark.parametrize("device", ["cpu", CUDA])
LOSSES: dict[str, dict[str, Any]] = {"plain": {}, "focal=1.5": {"focal": 1.5}, **OPTIONS}


@on_each_device
@pytest.mark.parametrize("layout", ["NCHW", "channels_last"])
@pytest.mark.parametrize("options", LOSSES.values(), ids=LOSSES)
def test_the_loss_and_its_gradient_are_those_of_float64(
    device: str, options: dict[str, Any], layout: Any
) -> None:
    inputs = make_inputs(Case(66, 2, 40, "float32", layout), torch.device(device))
    loss = HierarchicalLoss(inputs.space, **options).to(device)
    value = loss(inputs.logits, inputs.codes)
    (gradient,) = torch.autograd.grad(value, inputs.logits)

    exact = inputs.logits.detach().cpu().double().requires_grad_()
    expected = HierarchicalLoss(inputs.space, compile=False, **options)(exact, inputs.codes.cpu())
    (wanted,) = torch.autograd.grad(expected, exact)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    # `hardest` may choose another of two pixels whose losses are all but equal.
    close = torch.isclose(gradient.cpu().double(), wanted, rtol=1e-3, atol=1e-8)
    assert close.float().mean() > 0.999


@on_each_device
@pytest.mark.parametrize("leaves", [11, 66, 150])
@pytest.mark.parametrize("how", ["tree", "leaves"])
def test_pixels_are_decided_as_in_float64(device: str, leaves: int, how: Any) -> None:
    tree = tree_of(leaves)
    logits = 3 * torch.randn(leaves, 24, 32, generator=torch.Generator().manual_seed(0))
    decoder = Decoder(decoding_tree(tree), how)
    found = decoder.picture(logits.to(device), (48, 64))
    assert found.device.type == device
    same = found.cpu() == decoder.picture(logits.double(), (48, 64))
    assert same.float().mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "changes"),
    [
        ("cpu", ()),
        pytest.param("cuda", (), marks=[needs_gpu, pytest.mark.gpu]),
        pytest.param("cuda", ("train.precision=fp16",), marks=[needs_gpu, pytest.mark.gpu]),
        pytest.param("cuda", ("train.precision=bf16",), marks=[needs_gpu, pytest.mark.gpu]),
        pytest.param("cuda", ("train.compile=true",), marks=[needs_gpu, pytest.mark.gpu]),
        pytest.param(
            "cuda", ("data.workers=2", "train.ema=0.9"), marks=[needs_gpu, pytest.mark.gpu]
        ),
    ],
)
def test_a_run_learns_and_answers_as_on_the_cpu(
    device: str, changes: tuple[str, ...], tmp_path: Path
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "run")))
    steps = ("train.steps=60", "optim.lr=0.1", "train.checkpoint_every=30")
    run(device, tmp_path, "train", "--config", "run.yaml", *steps, *changes)
    lines = [json.loads(line) for line in (project / "run/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] / 2

    pictures = [str(project / "fine_data" / f"{number}.png") for number in range(10, 15)]
    plain = ("--no-overlay", "--precision", "float32")
    run(device, tmp_path, "predict", "run", *pictures, "-o", "there", *plain)
    run("cpu", tmp_path, "predict", "run", *pictures, "-o", "here", *plain)
    same = [
        np.asarray(Image.open(path)) == np.asarray(Image.open(tmp_path / "here" / path.name))
        for path in sorted((tmp_path / "there").glob("*.png"))
    ]
    assert len(same) == 5
    assert np.mean(same) > 0.99


def run(device: str, folder: Path, *words: str) -> None:
    """Run a command in a process of its own, on a device."""
    env = {**os.environ, "ACCELERATE_USE_CPU": "true"} if device == "cpu" else {**os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "harmonize", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
