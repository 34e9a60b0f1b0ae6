"""Do coarse labels pay: fine labels alone, with coarse ones, and with coarse ones completed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.open_datasets import open_datasets, open_trained
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import as_taught, load_sources
from harmonize.pipeline.evaluate_run import open_for_scoring
from harmonize.system.agreement import together
from harmonize.system.processes import processes
from harmonize.tools.refine.refine_job import RESULTS
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refine_run import refine_dataset
from harmonize.tools.studies.finished_runs import (
    RunRecord,
    check_same_weights,
    read_finished_run,
)
from harmonize.tools.studies.pays_plan import TEACHERS, Arm, PaysStudy, plan_pays, refined_name
from harmonize.tools.studies.pays_results import pays_figure, pays_rows, pays_tables
from harmonize.tools.studies.study_output import as_json, write_files
from harmonize.tools.studies.study_runs import study_folder, train_all

FILES = ("pays.json", "table.md", "figure_pays.svg")


def pays(
    config: RunConfig,
    *,
    name: str,
    coarse: Sequence[str],
    arms: Sequence[str] | None,
    seeds: Sequence[int],
    confidence: float,
    folder: Path | None = None,
    force: bool = False,
) -> Path:
    """Train what is not there yet, complete labels, write the tables; return their folder.

    Every process must call this.

    Args:
        config: what all runs share; it mixes fine and coarse sets.
        name: of the config.
        coarse: names of the data sets whose labels are coarse.
        arms: see ``ABOUT``; those whose network others need are added. All unless given.
        seeds: each run is made once with each.
        confidence: at which labels are completed.
        folder: where all goes; ``runs/pays-<name>`` unless given.
        force: replace files there that have the names of the table and the figure.

    Raises:
        HarmonizeError: what the user can mend.
    """
    here = processes()
    with together():
        study = plan_pays(
            config,
            name=name,
            coarse=coarse,
            arms=arms,
            seeds=seeds,
            confidence=confidence,
            folder=folder,
        )
        open_trained(load_sources(config), config)  # else a set is missed after hours
    with study_folder(study.folder, FILES, force=force):
        for arm in study.arms:
            if arm in TEACHERS:
                for seed in study.seeds:
                    _refine(study, arm, seed)
            train_all([study.runs[arm, seed] for seed in study.seeds])
        with together():
            if here.is_main_process:
                print(f"\n{write_study(study)}\nThe study lies in {study.folder}")
    return study.folder


def _refine(study: PaysStudy, arm: Arm, seed: int) -> None:
    """Complete the labels of the coarse sets for a run, if that is not done yet."""
    teacher = study.runs[TEACHERS[arm], seed]
    options = RefineOptions(confidence=study.confidence, fit_on=())
    for name in study.coarse:
        target = study.refined(arm, seed, name)
        with together():
            done = _is_refined(target, teacher.folder, study.confidence)
        if done:
            continue
        with together():
            if processes().is_main_process and target.exists():
                shutil.rmtree(target)  # it was interrupted
        with open_for_scoring(teacher.folder, "last", [], last=False) as scoring:
            with together():
                data = _coarse_data(study, seed, name)
            its = RefineOptions(**{**vars(options), "name": refined_name(name)})
            refine_dataset(scoring, data, output=target, options=its)


def _is_refined(folder: Path, teacher: Path, confidence: float) -> bool:
    """Say whether the labels in a folder are whole; an interrupted one has no results yet.

    Raises:
        HarmonizeError: it holds something else, or the work of another network.
    """
    path = folder / RESULTS
    if not path.is_file():
        if folder.exists() and not (folder / "pictures").is_symlink():
            raise HarmonizeError(f"{folder}: holds something else; remove it, or choose another -o")
        return False
    wanted = (f"{teacher}, ", confidence)
    try:
        facts = json.loads(path.read_text())
        is_same = facts["run"].startswith(wanted[0]) and facts["options"]["confidence"] == wanted[1]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HarmonizeError(f"{path}: is damaged: {error}; remove {folder}") from None
    if not is_same:
        raise HarmonizeError(
            f"{path}: was made with another network or confidence; remove {folder}, or choose "
            "another folder for the study with -o DIR"
        )
    return True


def _coarse_data(study: PaysStudy, seed: int, name: str) -> SegmentationDataset:
    """Return the pictures of a coarse set that the runs of a seed are trained on."""
    sources = load_sources(study.config)
    entry, spec = next(pair for pair in sources.trained if pair[1].name == name)
    assert entry.train is not None
    taught = as_taught(entry, spec, sources.ontology)
    data = open_datasets(
        [(taught, entry.train)], study.config.data.roots, bands=study.config.model.bands
    )[0]
    if entry.take is not None:
        data.files = data.files.part(*entry.part, seed=seed)
    return data


def write_study(study: PaysStudy) -> str:
    """Write what the finished runs of a study say, and return its tables.

    Raises:
        HarmonizeError: runs that began with other weights, or a file cannot be read or written.
    """
    records: dict[Arm, list[RunRecord]] = {
        arm: [read_finished_run(study.runs[arm, seed].folder) for seed in study.seeds]
        for arm in study.arms
    }
    for number, seed in enumerate(study.seeds):
        its = {study.runs[arm, seed].name: records[arm][number] for arm in study.arms}
        check_same_weights(its, seed=seed)
    rows = pays_rows(study, records)
    tables = pays_tables(study, rows, records)
    facts = {
        "config": study.config.to_dict(),
        "coarse": list(study.coarse),
        "confidence": study.confidence,
        "seeds": list(study.seeds),
        "datasets": {name: [row.to_dict() for row in its_rows] for name, its_rows in rows.items()},
    }
    contents = (as_json(facts), tables, pays_figure(rows))
    write_files(study.folder, dict(zip(FILES, contents, strict=True)))
    return tables
