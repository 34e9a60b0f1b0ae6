"""A run that begins as another run's network, whose tree may have been a different one."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from harmonize.config.run_config import RunConfig
from harmonize.config.saved_json import read_saved, to_json
from harmonize.errors import HarmonizeError
from harmonize.labels.lineage import LeafOrigin, Lineage, find_lineages
from harmonize.labels.sources import Sources
from harmonize.models.build import build_model
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.models.head import deciding_biases, draw_apart, grown_state, head_tensors
from harmonize.models.own_code import PASSED, needs_code
from harmonize.models.segmenter import Segmenter
from harmonize.models.sharding import shared_like
from harmonize.runs.checkpoint import Checkpoint, checksum_of
from harmonize.runs.checkpoints import choose
from harmonize.system.atomic_files import write_whole, writing

ANCESTRY = "ancestry.json"
_KEY = "train.start_from"


@dataclass(frozen=True)
class Ancestor:
    """A run that another one started from.

    Attributes:
        run: its folder, absolute.
        checkpoint: name of the file.
        step: of it.
        weights: SHA-256 of the weights that were taken.
        ontology: the text of its tree.
    """

    run: str
    checkpoint: str
    step: int
    weights: str
    ontology: str


@dataclass(frozen=True)
class Ancestry:
    """What ``ancestry.json`` holds.

    Attributes:
        ancestors: the run that this one started from, then the one that that one did, and so on.
        leaves: what each leaf comes from.
        dropped: leaves of the first ancestor that nothing comes from.
    """

    ancestors: tuple[Ancestor, ...]
    leaves: tuple[LeafOrigin, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where a run's first weights are from.

    Attributes:
        path: of the checkpoint.
        lineage: what the leaves come from.
        ancestry: for the run folder.
    """

    path: Path
    lineage: Lineage
    ancestry: Ancestry

    def write(self, output: Path) -> None:
        """Write ``ancestry.json`` into a run folder.

        Raises:
            HarmonizeError: it cannot be written.
        """
        path = output / ANCESTRY
        with writing(path):
            write_whole(path, (json.dumps(to_json(self.ancestry), indent=1) + "\n").encode())

    def tell(self) -> str:
        """Say what the run begins as, leaf by leaf where something has changed."""
        ancestor = self.ancestry.ancestors[0]
        head = f"starts from {self.path}, step {ancestor.step}"
        if self.lineage.is_identity:
            return f"{head}: the leaves are the same"
        return "\n  ".join([f"{head}:", *self.lineage.table().split("\n")])


@dataclass(frozen=True)
class Start:
    """What a run begins as.

    Attributes:
        origin: where it is from.
        state: the network's parameters and buffers, for the new tree.
        apart: what the first step adds to the head, so that leaves that begin alike differ.
    """

    origin: Origin
    state: dict[str, Tensor]
    apart: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def check(self, network: Segmenter) -> None:
        """Make sure that the weights fit a network.

        Raises:
            HarmonizeError: naming the first tensor that does not.
        """
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in self.state.items()}
        for name in (*wanted, *given):
            if wanted.get(name) != given.get(name):
                raise HarmonizeError(
                    f"{_KEY}: {self.origin.path}: belongs to another network: {name} is "
                    f"{given.get(name, 'missing')} there and {wanted.get(name, 'missing')} here; "
                    f"write model: as {self.origin.path.parents[1]}/config.yaml has it"
                )

    def load_into(self, network: Segmenter) -> None:
        """Give a network the weights.

        Raises:
            HarmonizeError: they do not fit.
        """
        self.check(network)
        network.load_state_dict(self.state)

    def set_apart(self, network: Segmenter) -> None:
        """Let the leaves differ that begin with the same weights; the same in all processes."""
        with torch.no_grad():
            for name, noise in self.apart.items():
                parameter = network.get_parameter(name)
                parameter.add_(
                    shared_like(noise.to(parameter.dtype), parameter).to(parameter.device)
                )


def read_start(config: RunConfig, sources: Sources) -> Start | None:
    """Read what a run begins as; None unless its config names a run to start from.

    Args:
        config: of the new run.
        sources: its trees and the data sets that it is trained on.

    Raises:
        HarmonizeError: there is no such run, or its network cannot be that of the new tree.
    """
    if config.train.start_from is None:
        return None
    folder = Path(config.train.start_from).expanduser()
    try:
        path, state = choose(folder, "last")
    except HarmonizeError as error:
        raise HarmonizeError(*(f"{_KEY}: {line}" for line in error.problems)) from None
    before, datasets = state.sources(), sources.trained_names
    _check_norms(config, folder, before.trained_names, datasets)
    lineage = find_lineages(before.each_tree, sources.each_tree)
    weights = state.model | (state.ema if state.standing.answers_with == "ema" else {})
    ancestor = Ancestor(
        str(folder.resolve()), path.name, state.step, checksum_of("", weights), state.ontology[1]
    )
    further = ()
    if (folder / ANCESTRY).is_file():
        known = read_saved(Ancestry, folder / ANCESTRY, f"remove it to start from {folder}")
        further = known.ancestors
    ancestry = Ancestry((ancestor, *further), lineage.origins, lineage.dropped)
    grown, apart = _grown(weights, state, lineage, datasets, config.seed)
    return Start(Origin(path, lineage, ancestry), grown, apart)


def _grown(
    weights: dict[str, Tensor],
    state: Checkpoint,
    lineage: Lineage,
    datasets: Sequence[str],
    seed: int,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the weights for the new tree, and what sets apart those that are alike."""
    if lineage.is_identity:
        return weights, {}
    model = state.run_config().model
    if model.name == PASSED:
        raise HarmonizeError(
            f"{_KEY}: the network was passed from Python, which does not say how its head is made "
            "for another tree; name a function by model.name: package.module:function"
        )
    build = functools.partial(build_model, config=model, pretrained=False, datasets=datasets)
    number = len(lineage.old_leaves)
    with torch.device("cpu" if needs_code(model) else "meta"):
        head = head_tensors(build, number)
    shares, offsets = torch.from_numpy(lineage.matrix()), torch.from_numpy(lineage.offsets())
    shifts = bool(offsets.any())
    biases = deciding_biases(build(number), head) if shifts else frozenset[str]()
    grown = grown_state(weights, head, biases, shares, offsets)
    return grown, draw_apart(grown, head, lineage.alike(), seed)


def _check_norms(
    config: RunConfig, folder: Path, before: Sequence[str], datasets: Sequence[str]
) -> None:
    if config.model.norm == PER_DATASET and tuple(before) != tuple(datasets):
        raise HarmonizeError(
            f"{_KEY}: {folder}: has batch norms of {', '.join(before)}, not of "
            f"{', '.join(datasets)}; train on the same data sets in the same order, or say "
            "model.norm: batch in both runs"
        )
