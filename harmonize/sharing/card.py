"""The model card of a package: what the network is, was taught, scores and cannot do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harmonize.calibration.calibration_file import read_calibration
from harmonize.config.run_config import RunConfig
from harmonize.evaluation.saved_scores import SavedScores, read_evaluation
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.scored_classes import scored_classes
from harmonize.labels.separable import separable_leaves
from harmonize.labels.sources import Sources
from harmonize.models.own_code import needs_code
from harmonize.plurals import counted
from harmonize.runs.run_folder import EVALUATION
from harmonize.system.extras import DISTRIBUTION

_LISTED = 12
"""Names that a line of limits lists."""
_PROMISE = 0.9
"""Confidence whose accuracy the card tells."""


@dataclass(frozen=True)
class CardFacts:
    """What a card is made from.

    Attributes:
        name: of the run.
        step: optimizer steps that the network was trained for.
        sources: the tree or trees and the mappings.
        config: as it is packed.
        folder: of the package, for scores and calibration.
        address: where the package goes.
    """

    name: str
    step: int
    sources: Sources
    config: RunConfig
    folder: Path
    address: str

    @property
    def scores(self) -> dict[str, SavedScores]:
        """The scores by data set; none without a file of them."""
        path = self.folder / EVALUATION
        return read_evaluation(path, "score the run again") if path.is_file() else {}

    @property
    def parts(self) -> list[Sources]:
        """The sources of each tree."""
        trees = self.sources.trees
        return [one for _, one in self.sources.of_trees] if trees else [self.sources]

    @property
    def shown_address(self) -> str:
        """The address if it is one for all; others would tell folders and servers."""
        return self.address if self.address.startswith("hub:") else "ADDRESS"


def model_card(facts: CardFacts, license: str | None) -> str:
    """Return the card: YAML that hubs read, then Markdown for people."""
    front = yaml.safe_dump(_front(facts, license), sort_keys=False, allow_unicode=True)
    trees = ", ".join(one.ontology.name for one in facts.parts)
    leaves = " and ".join(str(len(one.ontology.leaves)) for one in facts.parts)
    sections = [
        f"---\n{front}---\n\n# {_plain(facts.name)}",
        f"A network for semantic segmentation ({facts.config.model.name}, {facts.step} steps) that "
        f"was trained on {len(facts.sources.trained_names)} data sets at once, with "
        f"[harmonize](https://pypi.org/project/{DISTRIBUTION}/). It answers with {leaves} leaves "
        f"of a tree of classes ({trees}), with the groups of any depth, or in the classes of a "
        "data set.",
        "\n".join(["## Use", "", *_use(facts)]),
        "\n".join(["## Data sets", "", *_data_sets(facts)]),
        "\n".join(["## Scores", "", *_scores(facts)]),
        "\n".join(["## Confidence", "", *_confidence(facts)]),
        "\n".join(["## Limits", "", *(f"- {line}" for line in _limits(facts))]),
    ]
    return "\n\n".join(sections) + "\n"


def _front(facts: CardFacts, license: str | None) -> dict[str, Any]:
    front: dict[str, Any] = {"license": license} if license is not None else {}
    front |= {
        "library_name": "harmonize",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "hierarchical", "harmonize"],
        "datasets": list(facts.sources.trained_names),
    }
    results = [
        {
            "task": {"type": "image-segmentation", "name": "Semantic segmentation"},
            "dataset": {"name": name, "type": name, "split": one.split},
            "metrics": [
                {"type": kind, "value": round(100 * value, 2), "name": title}
                for kind, value, title in (
                    ("mean_iou", one.mean_iou, "Mean IoU, %"),
                    ("accuracy", one.pixel_accuracy, "Pixel accuracy, %"),
                )
                if value is not None
            ],
        }
        for name, one in facts.scores.items()
    ]
    results = [one for one in results if one["metrics"]]
    if results:
        front["model-index"] = [{"name": facts.name, "results": results}]
    return front


def _use(facts: CardFacts) -> Iterator[str]:
    yield "```sh"
    yield f"pip install '{DISTRIBUTION}{'[hub]' if facts.shown_address != 'ADDRESS' else ''}'"
    yield f"harmonize pull {facts.shown_address} -o {facts.name}"
    yield f"harmonize predict {facts.name} photo.jpg -o answers"
    yield "```"
    yield ""
    yield "or, in Python:"
    yield ""
    yield "```python"
    yield "from harmonize import Run"
    yield f'run = Run.open("{facts.shown_address}")'
    yield 'run.predict("photo.jpg").save("photo.png")'
    yield "```"


def _data_sets(facts: CardFacts) -> Iterator[str]:
    yield "| data set | use | classes | what its labels teach | about |"
    yield "|---|---|---|---|---|"
    trained = {spec.name for entry, spec in facts.sources.trained if entry.train}
    for number, spec in enumerate(facts.sources.specs):
        use = "trained on" if spec.name in trained else "scored on"
        taught = "; ".join(_teaches(one.specs[number], one) for one in facts.parts)
        classes = len(spec.classes) if spec.has_labels else "no labels"
        about = _plain(spec.about) or "-"
        yield f"| {spec.name} | {use} | {classes} | {taught} | {about} |"
    yield ""
    yield "Data sets have licences of their own, which may bind what is made from them."


def _teaches(spec: DatasetSpec, sources: Sources) -> str:
    """Say how many classes say which leaf, and down to which depth the others reach."""
    if not spec.has_labels:
        return "nothing by itself"
    ontology = sources.ontology
    masks = spec.leaf_masks(ontology)
    fine = int((masks.sum(1) == 1).sum())
    depths: dict[int, int] = {}
    for mask in masks[masks.sum(1) > 1]:
        nodes = ontology.describe(mask)
        depth = max(ontology.depth_of(node) for node in nodes)
        depths[depth] = depths.get(depth, 0) + 1
    found = [counted(fine, "leaf", "leaves")] if fine else []
    found += [f"{number} of depth {depth}" for depth, number in sorted(depths.items())]
    ignored = int((~masks.any(1)).sum())
    return ", ".join([*found, *([f"{ignored} ignored"] if ignored else [])])


def _scores(facts: CardFacts) -> Iterator[str]:
    scores = facts.scores
    if not scores:
        yield "It was not scored."
        return
    yield "| data set | split | pictures | mean IoU, % | 95 % interval | pixel accuracy, % |"
    yield "|---|---|---|---|---|---|"
    for name, one in scores.items():
        ends = [_percent(end) for end in one.mean_iou_interval or ()]
        interval = f"{ends[0]} to {ends[1]}" if ends else "-"
        yield (
            f"| {name} | {one.split} | {one.pictures:g} | {_percent(one.mean_iou)} | {interval} "
            f"| {_percent(one.pixel_accuracy)} |"
        )
    yield ""
    size = facts.config.answer_size
    yield f"In each data set's own classes, with the shorter side of pictures at {size} pixels."


def _confidence(facts: CardFacts) -> Iterator[str]:
    calibration = read_calibration(facts.folder)
    if calibration is None:
        yield "Probabilities are not calibrated: `--confidence` may promise more than it keeps."
        return
    names = ", ".join(calibration.datasets)
    yield f"Probabilities are calibrated for {names}; `predict --confidence` uses that."
    yield ""
    yield f"| data set | right where {_PROMISE:.0%} is promised, % | of the pixels, % |"
    yield "|---|---|---|"
    for name, one in calibration.datasets.items():
        point = next((one for one in one.curve if one.confidence == _PROMISE), None)
        if point is not None:
            yield f"| {name} | {_percent(point.accuracy)} | {_percent(point.coverage)} |"


def _limits(facts: CardFacts) -> Iterator[str]:
    yield "Scores are of the pictures above; nothing is known of pictures that look different."
    for one in facts.parts:
        separable = separable_leaves(one.ontology, one.taught)
        if separable.untaught:
            yield f"No label teaches {_list(separable.untaught)}: never answered."
        merged = [names for names in decoded_names(one) if len(names) > 1]
        for names in merged[:_LISTED]:
            yield f"Answered as one, as no label tells them apart: {_list(names)}."
        for spec in one.specs:
            if spec.has_labels:
                missing = scored_classes(one.ontology, spec, one.taught).left_out
                if missing:
                    yield f"Of {spec.name} it never answers {_list(tuple(missing))}."
    if needs_code(facts.config.model):
        yield (
            f"The network is code of its own, `{facts.config.model.name}`, which is not in this "
            "package: install it, and open the run with `trust_code=True`."
        )
    yield "It holds weights for answering; training goes on by `train.start_from`, not by resuming."


def decoded_names(sources: Sources) -> list[tuple[str, ...]]:
    """Return the leaves that are answered, those that no label tells apart together."""
    from harmonize.decoding.decoding_tree import decoding_tree

    return list(decoding_tree(sources.ontology, sources.taught).names[sources.ontology.depth - 1])


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(_plain, names[:_LISTED])) + more


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _plain(text: str) -> str:
    """Return a text as it stands in a cell of a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
