"""Write the network's answers for a few pictures at each evaluation, and show them in trackers."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer, Num, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from harmonize.data.dataset import SegmentationDataset
from harmonize.data.resizing import resize
from harmonize.data.transforms import centre_square
from harmonize.errors import HarmonizeError, printable
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.tally import Kept
from harmonize.labels.palette import NOT_SCORED, Color, class_colors
from harmonize.labels.sources import Sources
from harmonize.pictures.banded import as_colors
from harmonize.pictures.reading import read_picture
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole, writing

# Letters of shapes: N bands, H x W pixels of a label.

FOLDER = "pictures"
_PALETTE = 256
_QUALITY = 90


def example_folder(output: Path, dataset: str, number: int, tree: str | None = None) -> Path:
    """Return the folder of one picture: ``input.jpg``, ``truth.png`` and an answer per step.

    Each of several trees has a folder of its name around those of its data sets.
    """
    return _set_folder(output, dataset, tree) / f"{number:06d}"


def _set_folder(output: Path, dataset: str, tree: str | None) -> Path:
    return output.joinpath(FOLDER, *([] if tree is None else [tree]), dataset)


class Examples:
    """Writes the answers that evaluations keep.

    Args:
        sources: whose trees give classes their colours.
        datasets: that are scored.
        output: the run folder.
        patient: warn of what cannot be written, instead of ending the run.
    """

    def __init__(
        self,
        sources: Sources,
        datasets: Sequence[SegmentationDataset],
        output: Path,
        *,
        patient: bool = False,
    ) -> None:
        self._trees = {tree.name if sources.trees else None: tree for tree in sources.each_tree}
        self._datasets = {dataset.spec.name: dataset for dataset in datasets}
        self._output = output
        self._patient = patient

    def write(self, step: int, results: Sequence[DatasetScores]) -> None:
        """Write what this process kept; every process must call this.

        Raises:
            HarmonizeError: a file cannot be written.
        """
        with together():
            try:
                for result in results:
                    if result.kept:
                        self._write_kept(step, result)
            except HarmonizeError as error:
                if not self._patient:
                    raise
                print(printable(f"warning: {error}"), file=sys.stderr)

    def _write_kept(self, step: int, result: DatasetScores) -> None:
        dataset = self._datasets[result.dataset]
        own = class_colors(self._trees[result.tree], dataset.spec)
        colors = [NOT_SCORED if color is None else color for color in own]
        for number, kept in result.kept.items():
            folder = example_folder(self._output, result.dataset, number, result.tree)
            if not (folder / "truth.png").exists():
                _write_question(folder, _shown(dataset, number, kept), kept, colors, dataset.bands)
            _write(_answer_path(folder, step), _png(kept.answer, colors))

    def shown(
        self, step: int, results: Sequence[DatasetScores]
    ) -> dict[str, UInt8[ndarray, "_ _ 3"]]:
        """Return, by name, picture, truth and answer beside each other, as far as they are there.

        Each is (H, 3 W, 3), 0..255.
        """
        found: dict[str, UInt8[ndarray, "_ _ 3"]] = {}
        for result in results:
            pictures = _set_folder(self._output, result.dataset, result.tree)
            for folder in sorted(pictures.glob("*")):
                paths = [folder / "input.jpg", folder / "truth.png", _answer_path(folder, step)]
                if all(path.exists() for path in paths):
                    parts = [np.asarray(read_picture(path, exif="ignore")) for path in paths]
                    found[f"{result.name}/{folder.name}"] = np.concatenate(parts, axis=1)
        return found


def _answer_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.png"


def _shown(dataset: SegmentationDataset, number: int, kept: Kept) -> Num[Tensor, "N H W"]:
    """Return a picture at the size of its label, as far as it is scored."""
    picture = dataset[number].picture
    size = kept.truth.shape
    if picture.shape[1:] != size:  # the centre square is scored
        picture = resize(centre_square(picture), size)
    return picture


def _write_question(
    folder: Path,
    shown: Num[Tensor, "N H W"],
    kept: Kept,
    colors: Sequence[Color],
    bands: Sequence[str],
) -> None:
    """Write a picture and its truth."""
    picture = io.BytesIO()
    pixels = as_colors(shown.permute(1, 2, 0).numpy(), bands)
    Image.fromarray(pixels).save(picture, format="JPEG", quality=_QUALITY)
    _write(folder / "input.jpg", picture.getvalue())
    _write(folder / "truth.png", _png(kept.truth, colors))


def _png(classes: Integer[ndarray, "H W"], colors: Sequence[Color]) -> bytes:
    """Draw class numbers: as a palette picture of them if it holds so many, else in colours."""
    table = np.array([*colors, NOT_SCORED], dtype=np.uint8)
    if len(colors) < _PALETTE:
        image = Image.fromarray(classes.astype(np.uint8))
        palette = np.zeros((_PALETTE, 3), dtype=np.uint8)
        palette[: len(colors)] = table[:-1]
        image.putpalette(palette.tobytes())
    else:
        image = Image.fromarray(table[classes])
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


def _write(path: Path, data: bytes) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
