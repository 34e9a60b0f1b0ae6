"""A run's network, asked about pictures of its data sets in many words at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Integer, UInt8
from numpy import ndarray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.data.dataset import SegmentationDataset
from harmonize.data.transforms import centre_square, resize_nearest, shorter_side
from harmonize.inference.answer_space import Words
from harmonize.inference.tiled_network import TiledNetwork
from harmonize.report.read_runs import ReportedRun
from harmonize.runs.opened import OpenedRun, open_run
from harmonize.runs.precision import start_accelerator

# Letters of shapes: H x W pixels as the page shows them.


@dataclass(frozen=True)
class Answered:
    """A picture as the page shows it, the true class of each pixel, and the answers in words."""

    picture: UInt8[ndarray, "H W 3"]
    truth: Integer[ndarray, "H W"]
    answers: tuple[Integer[ndarray, "H W"], ...]


class Answerer:
    """The network of a run's newest checkpoint."""

    def __init__(
        self,
        run: ReportedRun,
        accelerator: Accelerator | None = None,
        opener: Callable[[Path], OpenedRun] = open_run,
    ) -> None:
        """Build it, for an accelerator's device and precision if one is given.

        Raises:
            HarmonizeError: the checkpoint is of another network.
        """
        opened = opener(run.folder)
        if accelerator is None:
            accelerator = start_accelerator("float32")
        self._network = TiledNetwork(opened.network(accelerator.device), accelerator)
        self._size = opened.config.data.size
        self._crop = opened.config.evaluate.crop

    @torch.inference_mode()
    def ask(
        self, dataset: SegmentationDataset, number: int, many: Sequence[Words], longest: int
    ) -> Answered:
        """Answer a picture of a data set, cut and scaled as for scoring, in each of many words.

        Args:
            dataset: whose picture it is.
            number: of the picture.
            many: the words.
            longest: the side that answers are scaled down to, in pixels.

        Raises:
            HarmonizeError: the picture or its label cannot be read.
        """
        sample = dataset.scaled_down(number, least=math.inf if self._crop else self._size)
        whole, classes = sample.picture, sample.classes
        if self._crop:
            whole, classes = centre_square(whole), centre_square(classes)
        height, width = classes.shape
        scale = min(longest / max(height, width), 1.0)
        shown = max(round(height * scale), 1), max(round(width * scale), 1)
        seen = shorter_side(height, width, self._size)
        picture = F.resize(whole, list(seen), antialias=True)
        return Answered(
            F.resize(whole, list(shown), antialias=True).permute(1, 2, 0).numpy(),
            resize_nearest(classes, *shown).numpy(),
            self._answers(picture, shown, many),
        )

    def _answers(
        self, picture: UInt8[Tensor, "3 h w"], size: tuple[int, int], many: Sequence[Words]
    ) -> tuple[Integer[ndarray, "H W"], ...]:
        answers = [np.empty(size, dtype=np.int64) for _ in many]
        for first, strip in self._network.scaled_logits(picture, size):
            rows = slice(first, first + strip.shape[1])
            for answer, words in zip(answers, many, strict=True):
                answer[rows] = words.decide(strip).cpu().numpy()
        return tuple(answers)
