"""`harmonize predict` against a bare loop: read, forward pass, argmax, PNG."""

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig
from harmonize.inference.inputs import Wanted, find_pictures
from harmonize.inference.predict import predict_trained
from harmonize.inference.predict_options import PredictOptions as Asked
from harmonize.inference.trained import TrainedRun
from harmonize.inference.write_answers import Output
from harmonize.pictures.formats import PICTURES
from harmonize.pipeline.train import train
from harmonize.runs.opened import open_run
from harmonize.system.progress import be_quiet, voice_restored
from harmonize.tools.benchmark.machine import (
    describe,
    extra_gpu_memory,
    in_mib,
    precision_name,
    start_accelerator,
)
from harmonize.tools.benchmark.measurements import BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import RunOptions, option, repeats, width_and_height
from harmonize.tools.benchmark.timing import Times, take_turns, timed

# Letters of shapes: K leaves, H x W pixels of a picture, h x w of what the network sees.

BASELINE, OURS = "bare loop", "predict"


@dataclass(frozen=True)
class PredictOptions(RunOptions):
    """What is measured."""

    overrides: tuple[str, ...] = option(
        (),
        quick=("model.width=8", "data.workers=0"),
        nargs="*",
        metavar="key.path=value",
        help="change the config",
    )
    pictures: int = option(64, quick=4, type=int, metavar="N", help="that are answered")
    picture_size: tuple[int, ...] = option(
        (640, 480),
        quick=(48,),
        type=width_and_height,
        metavar="PIXELS",
        help="of made-up pictures, such as 4000x3000",
    )
    repeats: int = repeats(5, quick=2)


def benchmark_predict(options: PredictOptions, device: torch.device) -> BenchmarkReport:
    """Measure answering pictures, overlays left out, with the network of a run of one step.

    The bare loop has the same network in the same precision. It scales each picture to what the
    network of the run sees, and the logits back, as ``predict`` does.

    Raises:
        HarmonizeError: the config, or its data, is not as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="harmonize-") as name, voice_restored():
        be_quiet(True)
        folder = Path(name)
        (config,) = options.configs(folder, (1,))
        run = _train_a_step(config, folder / "run")
        contest = _Contest(run, find_pictures(_pictures(options, folder), folder), folder, device)
        times = take_turns(
            {BASELINE: timed(contest.bare, device), OURS: timed(contest.predict, device)},
            repeats=options.repeats,
        )
        rows = [*contest.rows(times)]
    sizes = {**dataclasses.asdict(options), **contest.sizes()}
    table = ResultTable("answering pictures, from files to files", rows)
    return BenchmarkReport("predict", describe(device), sizes, [table])


def _train_a_step(config: RunConfig, output: Path) -> Path:
    """Train a config for a step, without scores and report."""
    steps = dataclasses.replace(config.train, steps=1, report=False, resume=False)
    trained = [entry for entry in config.datasets if entry.train]
    entries = tuple(dataclasses.replace(entry, evaluate=None) for entry in trained)
    short = dataclasses.replace(config, train=steps, datasets=entries, output=str(output))
    return train(dataclasses.replace(short, evaluate_also=()), name="run")


def _pictures(options: PredictOptions, folder: Path) -> list[str]:
    """Return the files of pictures: of the made-up data set, or of noise if there is none."""
    made_up = sorted((folder / "set_0").glob("*.jpg"))
    if made_up:
        return [str(path) for path in made_up]
    rng = np.random.default_rng(0)
    size = options.picture_size[-1], options.picture_size[0], 3
    paths = [folder / f"{number:05d}.jpg" for number in range(options.pictures)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    return [str(path) for path in paths]


class _Contest:
    """A run's network, and pictures that it answers in two ways."""

    def __init__(
        self, run: Path, pictures: list[Wanted], folder: Path, device: torch.device
    ) -> None:
        self._trained = TrainedRun(open_run(run))
        self._pictures = pictures
        self._folder = folder
        self._device = device
        self._asked = Asked(cpu=device.type == "cpu")
        config = self._trained.config
        self._size = config.evaluate.size or config.data.size
        self._accelerator = start_accelerator(config.train.precision)
        network = self._trained.network(device)
        assert isinstance(network, nn.Module)
        self._network = network

    def bare(self) -> None:
        """Answer all pictures, one after the other."""
        folder = self._folder / "bare"
        folder.mkdir(exist_ok=True)
        for wanted in self._pictures:
            with Image.open(wanted.path, formats=PICTURES) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            answer = self._answer(torch.from_numpy(pixels.copy()).to(self._device))
            Image.fromarray(answer.numpy(force=True)).save(folder / f"{wanted.path.stem}.png")

    def predict(self) -> None:
        """Answer all pictures as the command does."""
        output = Output(self._folder / "answers", overlays=False)
        predict_trained(self._trained, self._pictures, output, self._asked)

    def sizes(self) -> dict[str, Cell]:
        """Return what the run is like."""
        return {
            "size": self._size,
            "leaves": len(self._trained.sources.ontology.leaves),
            "precision": precision_name(self._accelerator),
        }

    def rows(self, times: Times) -> Iterator[dict[str, Cell]]:
        """Return the rows of the table."""
        number = len(self._pictures)
        for name, action in ((BASELINE, self.bare), (OURS, self.predict)):
            yield {
                "loop": name,
                "pictures/s": number / times.median(name),
                "ms per picture": 1000 * times.median(name) / number,
                "x bare loop": times.ratio(name, BASELINE),
                "quartiles": times.spread(name, BASELINE),
                "extra MiB": in_mib(extra_gpu_memory(action, self._device)),
            }

    @torch.inference_mode()
    def _answer(self, pixels: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "H W"]:
        """Return the leaf of each pixel."""
        height, width = pixels.shape[:2]
        size = self._size
        factor = 1.0 if isinstance(size, str) else size / min(height, width)  # else it is "full"
        seen = round(height * factor), round(width * factor)
        picture = pixels.permute(2, 0, 1)[None].float()
        scale = partial(nn.functional.interpolate, mode="bilinear", align_corners=False)
        with self._accelerator.autocast():
            logits: Float[Tensor, "1 K h w"] = self._network(scale(picture, seen, antialias=True))
        return scale(logits.float(), (height, width)).argmax(1)[0].to(torch.uint8)
