"""Reading the labels of one data set, whatever their encoding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import Int
from numpy import ndarray

from harmonize.labels.class_table import ClassTable
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mask_encodings import find_masks
from harmonize.labels.set_index import opened, take_over
from harmonize.pictures.tiff_numbers import Window
from harmonize.stores.open_store import known_stores, take_stores

# Letters of shapes: H x W pixels, h x w of a window.


class LabelReader:
    """Reads the label files of one data set."""

    def __init__(self, spec: DatasetSpec) -> None:
        """Prepare the look-ups; the mapping's ids must be known (``DatasetSpec.with_ids``)."""
        self._encoding = spec.encoding
        self._table = ClassTable(spec.name, spec.classes)

    def files(self, root: Path, label: str) -> list[Path]:
        """Return the files that a label is read from."""
        files = [file for _, file in self._encoding.files(label, self._table.classes)]
        needed = self._encoding.needed(files, lambda file: find_masks(root, file))
        return [root / file for file in needed]

    def size(self, root: Path, label: str) -> tuple[int, int] | None:
        """Return the width and height that a label tells, if its file is no picture."""
        return self._encoding.size(root, label)

    def __getstate__(self) -> dict[str, Any]:
        """Hand what is known of files and stores to a process that loads pictures."""
        return {**self.__dict__, "indexes": opened(), "stores": known_stores()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        take_over(state.pop("indexes"))
        take_stores(state.pop("stores"))
        self.__dict__.update(state)

    def read(
        self, root: Path, label: str, size: Callable[[], tuple[int, int]] | None = None
    ) -> Int[ndarray, "H W"]:
        """Return the class number of each pixel, int16: its place among the data set's classes.

        Args:
            root: the data set's folder.
            label: as the index keeps it.
            size: finds the picture's width and height, as it is turned; needed only where the
                label does not tell its own.

        Raises:
            UnknownValuesError: the file holds values that no class stands for.
            HarmonizeError: a file that cannot be read or has the wrong kind of pixels.
        """
        if self._encoding.needs_size and size is not None:
            return self._encoding.read_sized(root, label, self._table, size())
        return self._encoding.read(root, label, self._table)

    def read_window(
        self, root: Path, label: str, window: Window, size: tuple[int, int]
    ) -> Int[ndarray, "h w"]:
        """Return the class numbers of a part of a label; see ``read``.

        Args:
            root: the data set's folder.
            label: as the index keeps it.
            window: inside the label.
            size: width and height of the picture.
        """
        if not self._encoding.needs_size:
            return self._encoding.read_window(root, label, self._table, window)
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        return self._encoding.read_sized(root, label, self._table, size)[rows, columns]
