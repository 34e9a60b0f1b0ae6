"""Report on a run while it trains: metrics.jsonl, a live line, experiment trackers."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from harmonize.config.strict_yaml import Value
from harmonize.loss.hierarchical import LossTerms
from harmonize.runs.metrics_log import METRICS, Log
from harmonize.system.agreement import together
from harmonize.system.progress import ProgressLine, tell
from harmonize.training.estimate import TimeEstimate

# Letters of shapes: B pictures, N data sets, D depths, R processes.

_TAKE_SEVERAL = ("tensorboard", "wandb", "swanlab")
"""Those that take a list of pictures under one name."""


class LossMeter:
    """Adds up the loss per data set and depth between two log lines, on the device."""

    def __init__(self, names: list[str], depths: int, device: torch.device) -> None:
        """Prepare for data sets of these names and an ontology of so many depths."""
        self._names = names
        shape = (len(names), depths + 2)  # at the end, the whole log loss and the region loss
        self._sums = torch.zeros(shape, dtype=torch.float64, device=device)
        self._pixels = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, terms: LossTerms, datasets: Integer[Tensor, " B"]) -> None:
        """Add a batch whose pictures are of the given data sets."""
        sums = torch.cat([terms.by_depth, torch.stack([terms.total, terms.region], 1)], 1)
        each = torch.stack([terms.labelled, torch.ones_like(terms.labelled)], 1)
        pixels = torch.cat([terms.resolved, each], 1)
        self._sums.index_add_(0, datasets.long(), sums.double())
        self._pixels.index_add_(0, datasets.long(), pixels.double())

    def state(self, accelerator: Accelerator) -> Float[Tensor, "R 2 N D2"]:
        """Return the sums and pixel counts so far, of each process."""
        mine = torch.stack([self._sums, self._pixels])[None]
        return cast("Tensor", accelerator.gather(mine))

    def restore(self, state: Float[Tensor, "R 2 N D2"], accelerator: Accelerator) -> None:
        """Go on from what ``state`` returned; of other processes the main one stands for all."""
        state = state.to(self._sums)
        if len(state) == accelerator.num_processes:
            self._sums, self._pixels = state[accelerator.process_index].clone().unbind()
        elif accelerator.is_main_process:
            self._sums, self._pixels = state.sum(0).unbind()

    def take(self, accelerator: Accelerator) -> dict[str, Value]:
        """Return the means over all processes since the last call, and start again.

        Losses are per labelled pixel; those by depth are per pixel whose label resolves the depth,
        and null where there is none. The region loss is per picture, not weighted, and left out
        unless the config asks for one.
        """
        sums, pixels = self.state(accelerator).sum(0)
        has_region = bool((sums[:, -1] != 0).any())
        report = _means(sums.sum(0), pixels.sum(0), has_region=has_region)
        report["datasets"] = {
            name: _means(sums[number], pixels[number], has_region=has_region)
            for number, name in enumerate(self._names)
        }
        self._sums = torch.zeros_like(self._sums)
        self._pixels = torch.zeros_like(self._pixels)
        return report


class Tracker:
    """Writes what happens in a run; silent in all processes but the main one."""

    def __init__(
        self,
        output: Path,
        accelerator: Accelerator,
        *,
        start: int,
        steps: int,
        estimate: TimeEstimate | None = None,
        patient: bool = False,
        listener: Callable[[dict[str, Value]], None] | None = None,
    ) -> None:
        """Open the log, dropping lines after step ``start`` that an interrupted run left.

        The ``estimate`` is told what is done when. A ``patient`` tracker keeps lines that cannot be
        written until they can. The main process hands each line to the ``listener``.
        """
        self._listener = listener
        self._accelerator = accelerator
        self._main = accelerator.is_main_process
        self._log = Log(output / METRICS, patient=patient)
        self._estimate = estimate
        self._bar = ProgressLine(steps, "training", "steps", start=start, shown=self._main)
        self._clock = time.perf_counter()
        self._last_step = self._step = start
        with together():
            self._evaluated = self._log.cut(start) if self._main else None

    def step(self) -> None:
        """Note that a step is done; say how long the run will take once that is known."""
        self._step += 1
        self._bar.update()
        line = None if self._estimate is None else self._estimate.step(self._step)
        if line is not None:
            self.tell(line)

    def train(self, step: int, report: dict[str, Value], *, lr: float, batch_size: int) -> None:
        """Write one line of training metrics, averages since the last one."""
        seconds = time.perf_counter() - self._clock
        speed = (step - self._last_step) * batch_size / seconds
        self._clock, self._last_step = time.perf_counter(), step
        line = {"event": "train", "step": step, **report, "lr": lr}
        self._write({**line, "pictures_per_second": round(speed, 3)})
        loss = report["loss"]
        self._bar.note("loss -" if loss is None else f"loss {loss:.3f}")

    def evaluation(self, step: int, scores: dict[str, Value]) -> None:
        """Write one line of evaluation metrics, unless the step has one."""
        if not self.is_evaluated(step):
            self._write({"event": "evaluation", "step": step, **scores})
        self._evaluated = step

    def start(self, weights: str) -> None:
        """Write the checksum of the initial weights."""
        self._write({"event": "start", "step": 0, "weights": weights})

    def pictures(
        self, step: int, draw: Callable[[], Mapping[str, UInt8[ndarray, "H W 3"]]]
    ) -> None:
        """Give pictures, 0..255, to the trackers that show any; only for these are they drawn."""
        with together():
            shows = [one for one in self._accelerator.trackers if hasattr(one, "log_images")]
            if self._main and shows:
                pictures = draw()
                for one in shows:
                    several = {name: picture[None] for name, picture in pictures.items()}
                    given = several if one.name in _TAKE_SEVERAL else pictures
                    order = {"dataformats": "NHWC"} if one.name == "tensorboard" else {}
                    one.log_images(dict(given), step=step, **order)

    def is_evaluated(self, step: int) -> bool:
        """Say, the same in all processes, whether the step's evaluation is in the log."""
        answer = [self._evaluated == step]
        broadcast_object_list(answer)
        return answer[0]

    @contextlib.contextmanager
    def untimed(self, *, scoring: bool = False) -> Iterator[None]:
        """Leave what is done meanwhile out of the training speed."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self._clock += seconds
        if self._estimate is not None:
            self._estimate.leave_out(seconds, scoring=scoring)

    def tell(self, text: str) -> None:
        """Print news, which a quiet run leaves out, without breaking the live line."""
        if self._main:
            tell(text)

    def say(self, text: str) -> None:
        """Print what a quiet run says too, without breaking the live line."""
        if self._main:
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()

    def warn(self, text: str | None) -> None:
        """Print a warning, if there is one, without breaking the live line."""
        if self._main and text is not None:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Take the live line away."""
        self._bar.close()

    def flush(self) -> None:
        """Make sure that the log is on the disk, as far as it can be written."""
        with together():
            if self._main:
                self._log.flush()

    def _write(self, line: dict[str, Any]) -> None:
        with together():
            if self._main:
                self._log.write(line)
                self._accelerator.log(_flat(line), step=line["step"])
                if self._listener is not None:
                    self._listener(line)


def _means(
    sums: Float[Tensor, " D2"], pixels: Float[Tensor, " D2"], *, has_region: bool
) -> dict[str, Value]:
    pairs = zip(sums.tolist(), pixels.tolist(), strict=True)
    *by_depth, loss, region = (total / count if count else None for total, count in pairs)
    means: dict[str, Value] = {"loss": loss, "loss_by_depth": [*by_depth]}
    return means | {"dice": region} if has_region else means


def _flat(value: Any, name: str = "") -> dict[str, float]:
    """Name every number of nested metrics by its path; trackers take nothing else."""
    if isinstance(value, bool | str) or value is None:
        return {}
    if isinstance(value, int | float):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value, 1)
    flat: dict[str, float] = {}
    for key, item in items:
        flat |= _flat(item, f"{name}/{key}" if name else str(key))
    return flat
