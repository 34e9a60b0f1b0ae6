"""The paper's comparison: one network on the same input with the flat and the hierarchical loss."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.system.agreement import together
from harmonize.system.processes import processes
from harmonize.tools.studies.figures import loss_figure, mean_iou_figure
from harmonize.tools.studies.finished_runs import (
    Proof,
    check_same_steps,
    prove_identical,
    read_finished_run,
)
from harmonize.tools.studies.loss_plan import LOSSES, Comparison, plan_comparison
from harmonize.tools.studies.loss_results import (
    DatasetResults,
    Runs,
    comparison_tables,
    dataset_results,
    short,
    to_dict,
)
from harmonize.tools.studies.spread import spread_name
from harmonize.tools.studies.study_output import as_json, write_files
from harmonize.tools.studies.study_pictures import (
    Section,
    choose_steps,
    columns_of,
    kept_by_all,
    picture_figure,
)
from harmonize.tools.studies.study_runs import study_folder, train_all
from harmonize.training.examples import FOLDER as PICTURES

FILES = ("comparison.json", "table.md", "figure_mean_iou.svg", "figure_loss_by_depth.svg")
PICTURE_FIGURE = "figure_pictures.png"
_ROWS = 3
"""Pictures of each data set that the figure shows."""


def compare_losses(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    losses: Sequence[str] = tuple(LOSSES),
    folder: Path | None = None,
    force: bool = False,
) -> Path:
    """Train what is not there yet, and write the tables and figures; return their folder.

    Every process must call this.

    Args:
        config: what all runs share.
        name: of the config.
        seeds: each loss is trained once with each.
        losses: which to compare.
        folder: where all goes; ``runs/compare-<name>`` unless given.
        force: replace files there that have the names of the tables and figures.

    Raises:
        HarmonizeError: what the user can mend, or input that was not the same for all losses.
    """
    here = processes()
    with together():
        study = plan_comparison(config, name=name, seeds=seeds, losses=losses, folder=folder)
        for loss in study.losses:
            if " = " in loss and here.is_main_process:
                print(f"{loss} for these labels, and is trained once")
    with study_folder(study.folder, (*FILES, PICTURE_FIGURE), force=force):
        train_all(list(study.runs.values()))
        with together():
            if here.is_main_process:
                print(f"\n{write_comparison(study)}\nThe comparison lies in {study.folder}")
    return study.folder


def write_comparison(study: Comparison) -> str:
    """Write what the finished runs of a study say, and return its tables.

    Raises:
        HarmonizeError: a run was fed other input, its files lack something, or one cannot be
            written.
    """
    runs = {
        loss: [read_finished_run(study.runs[loss, seed].folder) for seed in study.seeds]
        for loss in study.losses
    }
    check_same_steps([run for seeds in runs.values() for run in seeds])
    proof = {
        seed: prove_identical({loss: records[n] for loss, records in runs.items()}, seed=seed)
        for n, seed in enumerate(study.seeds)
    }
    scored = {
        spec.name: list(spec.classes)
        for entry, spec in (*study.sources.trained, *study.sources.also)
        if entry.evaluate
    }
    trained = [spec.name for entry, spec in study.sources.trained if entry.train]
    results = [dataset_results(runs, name) for name in scored]
    tables = comparison_tables(study.name, results, proof)
    facts = as_json(_facts(study, proof, results))
    scores = mean_iou_figure(runs, list(scored))
    losses = loss_figure(runs, list(scored), trained, study.sources.ontology.depth)
    files: dict[str, str | bytes] = dict(zip(FILES, (facts, tables, scores, losses), strict=True))
    pictures = _picture_figure(runs, scored)
    write_files(study.folder, files if pictures is None else {**files, PICTURE_FIGURE: pictures})
    return tables


def _facts(
    study: Comparison, proof: Mapping[int, Proof], results: Sequence[DatasetResults]
) -> dict[str, object]:
    """Return all that was found as plain values."""
    return {
        "config": study.config.to_dict(),
        "losses": list(study.losses),
        "seeds": list(study.seeds),
        "spread": spread_name(len(study.seeds)),
        "identical_input": {str(seed): dataclasses.asdict(found) for seed, found in proof.items()},
        "datasets": {each.name: to_dict(each) for each in results},
    }


def _picture_figure(runs: Runs, classes: Mapping[str, Sequence[str]]) -> bytes | None:
    """Draw some pictures of each data set, with the answers of the first seed's networks.

    None if there are none that all runs kept.
    """
    records = {loss: seeds[0] for loss, seeds in runs.items()}
    steps = choose_steps([line.step for line in next(iter(records.values())).evaluations])
    sections: list[Section] = []
    for name, names in classes.items():
        folders = {short(loss): run.folder / PICTURES / name for loss, run in records.items()}
        kept = kept_by_all(folders.values(), steps)
        if kept:
            columns = columns_of(folders, kept[:_ROWS], steps)
            sections.append(Section(name, columns, names))
    return picture_figure(sections) if sections else None
