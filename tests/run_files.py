"""What a run has left in its folder."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from harmonize.runs import checkpoints

REPO = Path(__file__).parents[1]


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    tensors = load_file(checkpoints.step_path(run, step))
    return {name: tensor.clone() for name, tensor in tensors.items() if name.startswith("model/")}


def metrics(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "pictures_per_second"} for line in lines]


def largest_difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    assert one.keys() == two.keys()
    return max((one[name].double() - two[name].double()).abs().max().item() for name in one)
