"""Write the samples of a step whose loss or gradient is not finite, to find out why."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Bool
from numpy import ndarray
from PIL import Image
from torch import Tensor, nn

from harmonize.data.samples import Batch, MixedSamples
from harmonize.errors import HarmonizeError
from harmonize.loss.hierarchical import LossTerms
from harmonize.system.atomic_files import write_whole, writing
from harmonize.training.bad_numbers import not_finite

# Letters of shapes: B pictures, K leaves, H x W pixels.

FOLDER = "bad_numbers"
REPORT = "report.json"
_MOST_FOLDERS = 20
"""Steps that are kept; of more one learns no more."""
_MOST_PICTURES = 16
"""Samples of each process whose pictures are kept."""


@dataclass(frozen=True)
class BadStep:
    """A step of which a number is not finite, as one process has seen it.

    Attributes:
        step: counted from 1, as in metrics.
        what: is not finite: the ``loss`` or the ``gradient``.
        network: with its gradients; its weights and buffers are as before the step.
        parts: of this process's share of the batch.
        places: the positions in the run of their samples.
        terms: the loss of each part, as a share of the mean over the whole batch.
    """

    step: int
    what: str
    network: nn.Module
    parts: list[Batch]
    places: list[list[int]]
    terms: list[LossTerms]

    def describe(self) -> str:
        """Say what is wrong."""
        return f"step {self.step}: the {self.what} is not finite"


def save_bad_step(
    bad: BadStep,
    samples: MixedSamples,
    leaves: tuple[str, ...],
    output: Path,
    accelerator: Accelerator,
) -> str:
    """Write the samples of a step and what is not finite; every process must call this.

    The samples whose own loss or logits are not finite are written; all of them if there is none
    such. The logits are worked out anew.

    Args:
        bad: the step.
        samples: of the run.
        leaves: what the logits stand for.
        output: the run folder.
        accelerator: whose main process writes.

    Returns:
        Where they are, in words, in the main process.
    """
    with torch.no_grad(), accelerator.autocast():
        logits = (bad.network(part.pictures, datasets=part.datasets) for part in bad.parts)
        finite = torch.cat([part.isfinite().flatten(2).all(2) for part in logits]).cpu()
    totals = torch.cat([part.total for part in bad.terms]).tolist()
    suspects = [
        number
        for number, total in enumerate(totals)
        if not (math.isfinite(total) and finite[number].all())
    ]
    if not any(gather_object([bool(suspects)])):
        suspects = list(range(len(totals)))
    named = list(bad.network.named_parameters())
    wrong = not_finite((name, p.grad) for name, p in named), not_finite(named)
    mine = [_describe(bad, samples, number, totals, finite, leaves) for number in suspects]
    pictures = [_pixels(bad, number) for number in suspects[:_MOST_PICTURES]]
    of_all: list[_Seen] = gather_object([_Seen(mine, pictures, *wrong)])
    return _write(bad, of_all, output / FOLDER) if accelerator.is_main_process else ""


_Pictures = tuple[str, ndarray, ndarray]
"""The name, the picture and the codes of a sample."""


@dataclass(frozen=True)
class _Seen:
    """What a process has seen of a bad step: in a sharded network, of its parts of the tensors."""

    samples: list[dict[str, Any]]
    pictures: list[_Pictures]
    gradients: list[str]
    weights: list[str]


def _describe(
    bad: BadStep,
    samples: MixedSamples,
    number: int,
    totals: list[float],
    finite: Bool[Tensor, "B K"],
    leaves: tuple[str, ...],
) -> dict[str, Any]:
    place = _flat(bad.places)[number]
    facts: dict[str, Any] = {"position": place, "loss": _plain(totals[number])}
    wrong = finite[number].logical_not().nonzero().flatten().tolist()
    facts["logits_not_finite"] = [leaves[leaf] for leaf in wrong]
    try:
        found = samples.find(place)
    except HarmonizeError as error:  # it was there when the step began
        return {**facts, "problem": str(error)}
    dataset = samples.datasets[found.draw.dataset]
    style = found.style
    if style is not None:
        donor = samples.datasets[style.dataset]
        facts["style"] = f"{donor.spec.name} {donor.files.picture(style.picture)}"
    return {
        **facts,
        "dataset": dataset.spec.name,
        "picture": dataset.files.picture(found.draw.picture),
        "label": dataset.files.label(found.draw.picture),
        "seed": found.draw.seed,
        "augmentation": asdict(found.choices),
    }


def _pixels(bad: BadStep, number: int) -> _Pictures:
    pictures = [picture for part in bad.parts for picture in part.pictures]
    codes = [code for part in bad.parts for code in part.codes]
    picture = pictures[number].permute(1, 2, 0).numpy(force=True)
    below = codes[number].flatten(0, -2)  # those of several trees are below each other
    return f"{_flat(bad.places)[number]:08d}", picture, below.numpy(force=True)


def _write(bad: BadStep, of_all: list[_Seen], parent: Path) -> str:
    folder = parent / f"step-{bad.step:08d}"
    if not folder.exists() and len(list(parent.glob("step-*"))) >= _MOST_FOLDERS:
        return f"{parent} holds {_MOST_FOLDERS} such steps, this one is not kept"
    report = {
        "step": bad.step,
        "not_finite": bad.what,
        "gradients_not_finite": _names(one.gradients for one in of_all),
        "weights_not_finite": _names(one.weights for one in of_all),
        "samples": [sample for one in of_all for sample in one.samples],
    }
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture, codes in (sample for one in of_all for sample in one.pictures):
                Image.fromarray(picture).save(folder / f"{name}.png")
                wide = codes.astype(np.uint8 if codes.dtype == np.uint8 else np.uint16)
                Image.fromarray(wide).save(folder / f"{name}_codes.png")
            write_whole(folder / REPORT, (json.dumps(report, indent=2) + "\n").encode())
    except HarmonizeError as error:
        return str(error)
    return f"its samples are in {folder}"


def _names(of_each: Iterable[list[str]]) -> list[str]:
    """Return the names that any process has found, once each."""
    return list(dict.fromkeys(name for names in of_each for name in names))


def _flat(places: list[list[int]]) -> list[int]:
    return [place for part in places for place in part]


def _plain(number: float) -> float | str:
    """Return a number as JSON knows it."""
    return number if math.isfinite(number) else str(number)
