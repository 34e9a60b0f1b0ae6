"""Whether a config names what can be built, before anything is built in earnest."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from harmonize.config.channels import RGB
from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.labels.sources import Sources, load_sources
from harmonize.labels.unanswerable import unscorable_in_all, without_choice
from harmonize.loss.build_loss import build_losses
from harmonize.models.build import build_model
from harmonize.models.own_code import build_segmenter, needs_code
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.preflight_bands import check_bands
from harmonize.runs.started_from import read_start
from harmonize.training.compilation import check_compiler
from harmonize.training.freezing import check_finetuning
from harmonize.training.part_size import check_parts
from harmonize.training.trackers import check_trackers

T = TypeVar("T")


def check_run(
    config: RunConfig,
    model: nn.Module | None = None,
    *,
    num_processes: int = 1,
    shared_norms: bool = False,
) -> Sources:
    """Load the tree and the mappings of a config, and make sure that all it names can be built.

    Args:
        config: of the run.
        model: a network of one's own, in place of the one that the config names.
        num_processes: that will share a batch.
        shared_norms: batch norms will share their statistics between them.

    Raises:
        HarmonizeError: what cannot.
    """
    problems: list[str] = []

    def attempt(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except HarmonizeError as error:
            problems.extend(error.problems)
            return None

    attempt(lambda: check_trackers(config.train.track))
    attempt(lambda: check_compiler(config.train.compile))
    sources = attempt(lambda: load_sources(config, several=True))
    if sources is not None:
        leaves = len(sources.ontology.leaves)
        names = sources.trained_names
        network = attempt(lambda: _network(config, leaves, model, names))
        if network is not None:
            problems += _unusable(network, config)
            if not config.train.resume:
                attempt(lambda: _check_start(config, sources, network))
            attempt(lambda: check_finetuning(config, network))
            attempt(
                lambda: check_parts(
                    config, network, num_processes=num_processes, shared=shared_norms
                )
            )
        attempt(lambda: build_losses(sources, config.loss))
        entries = (*sources.trained, *sources.also)
        problems += _unknown_epochs_of(config, sources)
        problems += _nothing_to_tell(sources)
        problems += check_bands(config, sources)
        problems += unscorable_in_all(sources, [spec for entry, spec in entries if entry.evaluate])
    raise_all(problems)
    assert sources is not None
    return sources


def _network(
    config: RunConfig, leaves: int, model: nn.Module | None, names: Sequence[str]
) -> Segmenter:
    """Build a network without weights, or take the one that was passed."""
    if model is not None:
        return build_segmenter(model, leaves, config.model, datasets=names)
    # One's own code is tried out on small pictures; others only have their shapes worked out.
    with torch.device("cpu" if needs_code(config.model) else "meta"):
        pretrained = not config.train.resume and config.train.start_from is None
        return build_model(leaves, config.model, pretrained=pretrained, datasets=names)


def _check_start(config: RunConfig, sources: Sources, network: Segmenter) -> None:
    start = read_start(config, sources.ontology, sources.trained_names)
    if start is not None:
        start.check(network)


def _unknown_epochs_of(config: RunConfig, sources: Sources) -> list[str]:
    name = config.train.epochs_of
    trained = sources.trained_names
    if name is None or name in trained:
        return []
    return [f"train.epochs_of: no data set {name!r} is trained on; {near_matches(name, trained)}"]


def _nothing_to_tell(sources: Sources) -> Iterator[str]:
    """Say why all that is trained on teaches nothing of a tree, if it is so."""
    for _, its in sources.of_trees:
        if not its.trained_names:
            yield f"ontologies: nothing that is trained on means anything in {its.ontology.name}"
        elif problem := without_choice(its.ontology, its.taught):
            where = its.taught[0].document.where(("meaning", its.ontology.name))
            yield f"{where}: {problem}"


def _unusable(network: Segmenter, config: RunConfig) -> Iterator[str]:
    """Say what a run cannot do with a network that can be built."""
    number = len(config.model.bands)
    if not number:
        yield (
            f"model.channels: pictures have {len(RGB)} bands, got {config.model.channels}; give "
            "the bands' names instead, such as [red, green, blue, nir]"
        )
    elif network.in_channels != number:
        yield f"model.channels: pictures have {number} bands, got {network.in_channels}"
    if config.train.compile and not network.may_compile:
        yield (
            f"train.compile: {config.model.title} cannot be compiled: "
            f"{network.traits.no_compile}; say train.compile=false"
        )


def check_batch(config: RunConfig, num_processes: int) -> None:
    """Make sure that a batch has a picture for every part of every process.

    Raises:
        HarmonizeError: it is too small.
    """
    parts = num_processes * config.train.accumulate
    if config.data.batch_size < parts:
        raise HarmonizeError(
            f"data.batch_size: must be at least {parts}, one picture for each of {num_processes} "
            f"processes x {config.train.accumulate} accumulation parts, "
            f"got {config.data.batch_size}"
        )
