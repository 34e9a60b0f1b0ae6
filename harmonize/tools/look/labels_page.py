"""A page of labels on the tree, with a slider from coarse to fine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonize.data.open_datasets import open_datasets
from harmonize.errors import HarmonizeError
from harmonize.inference.drawing import percent
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.report.inline_images import InlineImage, label_map, photograph
from harmonize.report.templates import template_environment
from harmonize.system.atomic_files import write_whole, writing
from harmonize.tools.look.mapped_labels import Example, SeenDataset, see_dataset

SIDE = 240
"""Pixels of the longer side of what is shown."""


@dataclass(frozen=True)
class _ShownExample:
    """A picture with its label at each depth."""

    example: Example
    picture: InlineImage
    labels: tuple[InlineImage, ...]


def look_at_labels(
    pairs: Sequence[tuple[DatasetSpec, str]],
    ontology: Ontology,
    output: Path,
    *,
    roots: dict[str, str],
    number: int,
    title: str,
) -> Path:
    """Write a page of the labels of data sets, rarest class first.

    Args:
        pairs: mappings with a split of each.
        ontology: the tree.
        output: the page.
        roots: folders of data sets.
        number: pictures of each class.
        title: of the page.

    Raises:
        HarmonizeError: what is wrong with the data or the output.
    """
    if output.suffix.lower() != ".html":
        raise HarmonizeError(f"{output}: labels are shown on a page; expected a name in .html")
    if output.is_dir():
        raise HarmonizeError(f"{output}: is a folder; name a file")
    seen = [
        see_dataset(dataset, ontology, number=number, side=SIDE)
        for dataset in open_datasets(list(pairs), roots)
    ]
    shown = [
        (one, [(its, [_shown(e, one) for e in its.examples]) for its in one.classes])
        for one in seen
    ]
    template = template_environment(Path(__file__).parent).get_template("labels.html.jinja")
    titles = [painted.title for painted in seen[0].painted]
    text = template.render(title=title, datasets=shown, titles=titles, percent=percent)
    with writing(output):
        write_whole(output, text.encode(errors="backslashreplace"))
    return output


def _shown(example: Example, dataset: SeenDataset) -> _ShownExample:
    labels: list[InlineImage] = []
    for painted in dataset.painted:
        names, colors = [*painted.names, "void"], [*painted.colors, None]
        distinct = {pair: place for place, pair in enumerate(zip(names, colors, strict=True))}
        same = np.array([distinct[pair] for pair in zip(names, colors, strict=True)])
        labels.append(label_map(same[example.classes], names, colors))
    return _ShownExample(example, photograph(example.picture), tuple(labels))
