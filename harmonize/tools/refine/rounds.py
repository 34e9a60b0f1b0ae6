"""What a run is trained on once more, between two rounds of completing labels."""

import dataclasses
from pathlib import Path

from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.runs.opened import OpenedRun
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refined_set import RefinedSet


def beside(output: Path, what: str) -> Path:
    """Return a folder beside the output for a round."""
    return output.with_name(f"{output.name}-{what}")


def with_refined(
    run: OpenedRun, data: SegmentationDataset, folder: Path, options: RefineOptions
) -> RunConfig:
    """Return a run's config with completed labels in place of those of the data set.

    A data set that the run was not trained on is added with as many samples as all others have
    together: the batch becomes twice as large, and these keep theirs.
    """
    config, name = run.config, data.spec.name
    mapping = RefinedSet.path_of(folder, options.name_of(name))
    entries: list[DatasetEntry] = []
    also = list(config.evaluate_also)
    found = False
    for entry, spec in run.sources.trained:
        if spec.name != name or not entry.train:
            entries.append(entry)
            continue
        found = True
        refined = DatasetEntry(str(mapping), train=data.split, weight=entry.weight)
        entries.append(dataclasses.replace(refined, augment=entry.augment, size=entry.size))
        if entry.evaluate:
            also.append(
                dataclasses.replace(entry, train=None, take=None, max_depth=None, augment=None)
            )
    if not found:
        total = sum(entry.weight for entry in entries if entry.train)
        entries.append(DatasetEntry(str(mapping), train=data.split, weight=total))
        size = 2 * config.data.batch_size
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=size))
    known = {spec.name for entry, spec in (*run.sources.trained, *run.sources.also)}
    kept = {spec.name for entry, spec in run.sources.trained if entry in entries}
    kept |= {spec.name for entry, spec in run.sources.also}
    kept |= {name} if len(also) > len(config.evaluate_also) else set()
    roots = {one: root for one, root in config.data.roots.items() if one in kept & known}
    train = dataclasses.replace(config.train, resume=False)
    return dataclasses.replace(
        config,
        datasets=tuple(entries),
        evaluate_also=tuple(also),
        data=dataclasses.replace(config.data, roots=roots),
        train=train,
    )
