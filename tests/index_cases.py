"""Files and small mappings that list them."""

from pathlib import Path
from textwrap import dedent

import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.data.index import (
    FileIndex,
    index_files,
)
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec


def make_spec(
    splits: str,
    *,
    picture: str = "images/{id}.png",
    label: str = "labels/{id}.png",
    encoding: str = "ids",
    classes: str = "{thing: 7, stuff: 2}",
    more: str = "",
) -> DatasetSpec:
    """Return a mapping with two classes; its splits start on line 6."""
    text = dedent(f"""\
        name: tiny
        picture: "{picture}"
        label: "{label}"
        encoding: {encoding}
        splits:
          {splits}
        classes: {classes}
        meaning: {{}}
        """)
    return DatasetSpec.from_document(load_text(text + more, "tiny.yaml"))


def touch(root: Path, *files: str) -> None:
    """Make empty files."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def pairs(index: FileIndex) -> list[tuple[str, str]]:
    """Return the picture and label of each entry."""
    return [(index.picture(number), index.label(number)) for number in range(len(index))]


def refused(spec: DatasetSpec, root: Path, split: str = "train") -> HarmonizeError:
    """Return the error that indexing a split raises."""
    with pytest.raises(HarmonizeError) as caught:
        index_files(spec, split, root)
    return caught.value
