"""How far coarse labels carry: fine labels on few pictures, with and without coarse on the rest."""

from collections.abc import Sequence
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.system.agreement import together
from harmonize.system.processes import processes
from harmonize.tools.studies.finished_runs import check_same_weights, read_finished_run
from harmonize.tools.studies.label_plan import ALL, LabelStudy, plan_study
from harmonize.tools.studies.label_results import (
    measures_of,
    row_dict,
    share_figure,
    share_rows,
    share_table,
    study_tables,
)
from harmonize.tools.studies.spread import spread_name
from harmonize.tools.studies.study_output import as_json, write_files
from harmonize.tools.studies.study_runs import study_folder, train_all

FILES = ("label_efficiency.json", "table.md", "figure_label_efficiency.svg")


def label_efficiency(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    shares: Sequence[float],
    depth: int,
    dataset: str | None = None,
    folder: Path | None = None,
    force: bool = False,
) -> Path:
    """Train what is not there yet, and write the table and the plot; return their folder.

    Every process must call this.

    Args:
        config: what all runs share.
        name: of the config.
        seeds: each run is made once with each; they choose the pictures as well.
        shares: of the pictures that have fine labels.
        depth: of the labels of the other pictures.
        dataset: the trained data set to do this with; the only one unless given.
        folder: where all goes; ``runs/label-efficiency-<name>`` unless given.
        force: replace files there that have the names of the table and the plot.

    Raises:
        HarmonizeError: what the user can mend.
    """
    here = processes()
    with together():
        study = plan_study(
            config,
            name=name,
            seeds=seeds,
            shares=shares,
            depth=depth,
            dataset=dataset,
            folder=folder,
        )
    with study_folder(study.folder, FILES, force=force):
        train_all(list(study.runs.values()))
        with together():
            if here.is_main_process:
                print(f"\n{write_study(study)}\nThe study lies in {study.folder}")
    return study.folder


def write_study(study: LabelStudy) -> str:
    """Write what the finished runs of a study say, and return its tables.

    Raises:
        HarmonizeError: runs that began with other weights, or a file cannot be read or written.
    """
    kinds = dict.fromkeys((kind, share) for kind, share, _ in study.runs)
    records = {
        kind: [read_finished_run(study.runs[(*kind, seed)].folder) for seed in study.seeds]
        for kind in kinds
    }
    for number, seed in enumerate(study.seeds):
        runs = {study.runs[(*kind, seed)].name: records[kind][number] for kind in kinds}
        check_same_weights(runs, seed=seed)
    rows = {measure: share_rows(study, records, measure) for measure in measures_of(study, records)}
    drawn = [share_table(study, measure, its_rows) for measure, its_rows in rows.items()]
    tables = study_tables(study, drawn, records[ALL, 1.0][0].scores(study.subject.name))
    facts = {
        "config": study.config.to_dict(),
        "dataset": study.subject.name,
        "depth": study.depth,
        "seeds": list(study.seeds),
        "spread": spread_name(len(study.seeds)),
        "measures": {
            measure.name: [row_dict(study, row) for row in its_rows]
            for measure, its_rows in rows.items()
        },
    }
    contents = (as_json(facts), tables, share_figure(study, rows))
    write_files(study.folder, dict(zip(FILES, contents, strict=True)))
    return tables
