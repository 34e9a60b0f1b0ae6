"""Prepare the completion of a data set: what labels can become, and how probability is judged."""

from pathlib import Path

import torch

from harmonize.calibration.calibration_file import read_calibration
from harmonize.calibration.temperatures import scaled
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.inference.calibrated import NOT_CALIBRATED, FoundCalibration, Use, find_calibration
from harmonize.labels.palette import color_of_leaves, node_colors
from harmonize.pipeline.evaluate_run import ScoringRun
from harmonize.runs.opened import OpenedRun
from harmonize.tools.refine.label_sets import LabelSets, label_sets
from harmonize.tools.refine.refine_job import RefineJob
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refined_set import RefinedSet
from harmonize.tools.refine.threshold_fit import num_finer


def plan_job(
    scoring: ScoringRun, data: SegmentationDataset, output: Path, options: RefineOptions
) -> RefineJob:
    """Prepare the completion of a data set.

    Raises:
        HarmonizeError: its labels cannot be completed, or there is no such calibration.
    """
    opened = scoring.run
    ontology = opened.sources.ontology
    sets = label_sets(data.spec, opened.sources, options)
    size = opened.config.answer_size
    calibration = _calibration(opened, sets, size, options)
    known = calibration.temperatures
    device = scoring.accelerator.device
    by_leaf = None if known is None else torch.from_numpy(known.by_leaf).to(device)
    network = TiledNetwork(opened.network(device), scoring.accelerator)
    network.check_tile(options.tile)
    viewed = ViewedNetwork(
        network,
        Views(size, options.scales, options.flip, options.tile),
        torch.from_numpy(ontology.mirror),
        None if by_leaf is None else lambda logits: scaled(logits, by_leaf),
    )
    nodes = node_colors(ontology)
    colors = list[tuple[int, int, int]]()
    for mask in sets.finer.masks:
        colors.append(color_of_leaves(ontology, mask, nodes, colors))
    name = options.name_of(data.spec.name)
    target = RefinedSet(output, name, data, sets, colors)
    return RefineJob(opened, scoring.accelerator, data, sets, viewed, target, calibration, options)


def _calibration(
    opened: OpenedRun, sets: LabelSets, size: int | str, options: RefineOptions
) -> FoundCalibration:
    """Find the temperatures: of the set that tells most about what the labels leave open.

    Those of the coarse set itself would say how sure the network is of the labels, which are true.
    """
    if not options.calibrated:
        return NOT_CALIBRATED
    file = read_calibration(opened.folder, opened.tree)
    like = options.like
    if like is None and file is not None and file.step == opened.state.step:
        finer = {
            spec.name: num_finer(spec.leaf_masks(opened.sources.ontology), sets)
            for spec in opened.sources.specs
            if spec.name in file.datasets
        }
        like = max((name for name, number in finer.items() if number), key=finer.get, default=None)  # type: ignore[arg-type]
    use = Use(options.confidence, like, size, opened.state.step, options.checkpoint)
    return find_calibration(opened.folder, opened.sources.ontology.leaves, use, opened.tree)


def fitting_sets(
    scoring: ScoringRun, data: SegmentationDataset, options: RefineOptions
) -> list[SegmentationDataset]:
    """Return the sets that thresholds are fitted on: not those whose labels are completed."""
    sources = scoring.run.sources
    if options.fit_on is not None:
        return scoring.datasets(options.fit_on, None) if options.fit_on else []
    scored = [
        spec.name
        for entry, spec in (*sources.trained, *sources.also)
        if entry.evaluate and (spec.name, entry.evaluate) != (data.spec.name, data.split)
    ]
    return scoring.datasets(scored, None) if scored else []
