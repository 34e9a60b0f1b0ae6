"""Open a run folder: its network, tree, mappings and config, from one checkpoint."""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import Sources
from harmonize.models.build import build_model
from harmonize.models.own_code import PASSED, build_segmenter, needs_code
from harmonize.models.segmenter import Segmenter
from harmonize.runs.checkpoint import Checkpoint, restore_model
from harmonize.runs.checkpoints import choose

Several = Literal["any", "one", "refused"]
CHANGEABLE = ("data.", "evaluate.", "train.precision=")
"""What of a run's config can be changed once it is trained."""


@dataclass(frozen=True)
class OpenedRun:
    """A run as its checkpoint holds it.

    Attributes:
        folder: of the run.
        path: of the checkpoint.
        state: what the checkpoint holds.
        config: of the run, with the changes that were asked for.
        sources: the tree and the mappings of the run.
        model: the network as it was passed in, untrained; None to build it.
        span: the channels that the network answers with, of one of its trees; None for all.
    """

    folder: Path
    path: Path
    state: Checkpoint
    config: RunConfig
    sources: Sources
    model: nn.Module | None = None
    span: slice | None = None

    def network(self, device: torch.device | str | None = None) -> Segmenter:
        """Build the trained network on a device (the CPU unless given), ready to answer.

        Raises:
            HarmonizeError: the checkpoint's weights do not fit the network that its config names.
        """
        whole = self.state.sources() if self.span is not None else self.sources
        leaves, names = len(whole.ontology.leaves), whole.trained_names
        if self.model is None:
            network = build_model(leaves, self.config.model, pretrained=False, datasets=names)
        else:
            network = build_segmenter(self.model, leaves, self.config.model, datasets=names)
        restore_model(network, self.state, self.path)
        network.span = self.span
        network = network.to(device or "cpu", memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network.eval()

    @property
    def trees(self) -> tuple[str, ...]:
        """The names of the run's trees."""
        return tuple(tree.name for tree in self.sources.each_tree)

    @property
    def tree(self) -> str | None:
        """Of several trees the one that this is of; None if it is of all, or there is one."""
        return None if self.span is None else self.sources.ontology.name

    def trees_about(self, dataset: str | None) -> list[str]:
        """Return the trees that a data set is about; all if it is about none, or not given.

        Args:
            dataset: its name, or its mapping's file.
        """
        known = {spec.name: spec for spec in self.sources.specs}
        if dataset is None or (dataset not in known and not find_file(dataset).is_file()):
            return [*self.trees]
        spec = known[dataset] if dataset in known else DatasetSpec.from_file(find_file(dataset))
        return [tree for tree in self.trees if tree in spec.meaning] or [*self.trees]

    def own_name(self, name: str) -> str | None:
        """Return the data set that scores are called by; None if they are of another tree."""
        if self.tree is None:
            return name
        own, colon, tree = name.rpartition(":")
        return own if colon and tree == self.tree else None

    def of_tree(self, name: str) -> "OpenedRun":
        """Return the run as one of its trees alone has it.

        Raises:
            HarmonizeError: it has no such tree.
        """
        if name not in self.trees:
            raise HarmonizeError(
                f"{self.folder}: has no tree {name!r}; {near_matches(name, self.trees)}"
            )
        span, sources = self.sources.of_trees[self.trees.index(name)]
        others = {spec.name for spec in self.sources.specs} - {spec.name for spec in sources.specs}
        data = self.config.data
        roots = {one: root for one, root in data.roots.items() if one not in others}
        config = dataclasses.replace(self.config, data=dataclasses.replace(data, roots=roots))
        return dataclasses.replace(self, span=span, sources=sources, config=config)


def open_run(
    folder: Path,
    *,
    which: str = "last",
    overrides: Iterable[str] = (),
    trust_code: bool = False,
    model: nn.Module | None = None,
    several: Several = "refused",
    ontology: str | None = None,
) -> OpenedRun:
    """Open a run's ``best`` or ``last`` checkpoint.

    Args:
        folder: of the run.
        which: checkpoint.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.
        trust_code: import the code that the run's network is, if it is not harmonize's.
        model: the run's network, built as for the training; its weights are replaced.
        several: what becomes of a run of several trees: it is opened as it is (``any``), or by
            ``one`` of them, which has to be named by ``--ontology``, or it is ``refused``.
        ontology: the tree that the run is opened by.

    Raises:
        HarmonizeError: there is no such checkpoint, a change means nothing to a trained network,
            the network is code that is neither trusted nor passed, or there is another number of
            trees.
    """
    path, state = choose(folder, which)
    changes = list(overrides)
    for change in changes:
        if "=" in change and not change.startswith(CHANGEABLE):
            raise HarmonizeError(
                f"command line: {change}: scoring takes only {', '.join(CHANGEABLE)} of a config; "
                "data sets and splits are chosen with --dataset and --split"
            )
    config = RunConfig.from_document(load_text(state.config, f"{path}: config"), changes)
    if model is None and needs_code(config.model):
        name = config.model.name
        if name == PASSED:
            raise HarmonizeError(
                f"{path}: model.name: the network was passed from Python; pass it again: "
                "Run.open(folder, model=...)"
            )
        if not trust_code:
            raise HarmonizeError(
                f"{path}: model.name: {name} is code that did not come with harmonize, and is not "
                "run unasked; say trust_code=True (--trust-code) if you trust it, or pass the "
                "network: Run.open(folder, model=...)"
            )
    opened = OpenedRun(folder, path, state, config, state.sources(), model)
    if ontology is not None:
        return opened.of_tree(ontology)
    if opened.sources.trees and several != "any":
        if several == "one":
            choices = " or ".join(f"--ontology {tree}" for tree in opened.trees)
            raise HarmonizeError(
                f"{folder}: has several trees, and this is about one; say {choices}"
            )
        raise HarmonizeError(
            f"{folder}: the run has several trees ({', '.join(opened.trees)}), and this works on a "
            "run of one"
        )
    return opened


open_any = functools.partial(open_run, several="any")
"""Opens a run of any number of trees; arguments as for ``open_run``."""
