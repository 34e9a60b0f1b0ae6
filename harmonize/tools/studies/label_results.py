"""What the label-efficiency study found: each share's scores, and how much of the gap is closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harmonize.evaluation.saved_scores import SavedScores
from harmonize.plurals import counted
from harmonize.report.charts import Chart, Series, panels
from harmonize.tools.studies.finished_runs import RunRecord
from harmonize.tools.studies.label_plan import ALL, FINE, MIXED, LabelStudy
from harmonize.tools.studies.measures import MEAN_IOU, Measure, depth_measures
from harmonize.tools.studies.spread import Summary, Values, differences, spread_name, summarize
from harmonize.tools.studies.study_output import NOTHING, markdown, value

Records = Mapping[tuple[str, float], Sequence[RunRecord]]
"""By kind of labels and share, the run of each seed."""


@dataclass(frozen=True)
class ShareRow:
    """What a share of fine labels gives by one measure.

    Attributes:
        share: of the pictures.
        fine, mixed, all: with these labels alone, with coarse ones on the other pictures, and with
            fine ones on all.
        gain: of the coarse labels, seed by seed.
        recovered: the part of the way from ``fine`` to ``all`` that ``mixed`` goes, by the means;
            None where ``all`` is no better than ``fine``.
        by_seed: the same for each seed.
    """

    share: float
    fine: Summary
    mixed: Summary
    all: Summary
    gain: Summary
    recovered: float | None
    by_seed: tuple[float | None, ...]


def measures_of(study: LabelStudy, records: Records) -> list[Measure]:
    """Return what is compared: the mean IoU, and that of the groups at the coarse labels' depth."""
    everything = [run.scores(study.subject.name) for runs in records.values() for run in runs]
    coarse = ("depths", study.depth - 1, "mean_iou")
    return [MEAN_IOU, *(one for one in depth_measures(everything) if one.path == coarse)]


def share_rows(study: LabelStudy, records: Records, measure: Measure) -> list[ShareRow]:
    """Return the rows of all shares for one measure."""

    def values(kind: str, share: float) -> Values:
        runs = records[kind, share]
        return [run.final(study.subject.name, measure) for run in runs]

    return [
        _row(share, values(FINE, share), values(MIXED, share), values(ALL, 1.0))
        for share in study.shares
    ]


def share_table(study: LabelStudy, measure: Measure, rows: Sequence[ShareRow]) -> str:
    """Draw the rows of a measure as a table."""
    header = ["fine labels on", "these alone", f"depth {study.depth} on the rest", "all fine"]
    table = markdown(
        [*header, "gain", "gap recovered", "by seed"],
        [
            [
                f"{Fraction(row.share).limit_denominator(1000)} ({study.pictures[row.share]})",
                *(value(each, percent=True) for each in (row.fine, row.mixed, row.all)),
                value(row.gain, percent=True, signed=True),
                _percent(row.recovered),
                ", ".join(map(_percent, row.by_seed)),
            ]
            for row in rows
        ],
    )
    about = f"In percent, {spread_name(len(study.seeds))}."
    return f"## {measure.name}\n\n{about}\n\n{table}"


def study_tables(study: LabelStudy, tables: Sequence[str], scores: SavedScores) -> str:
    """Write the tables under what they are about."""
    number = study.pictures[1.0]
    head = (
        f"# {study.name}: labels of depth {study.depth} beside few fine ones\n\n"
        f"{study.subject.name}: {counted(number, 'picture')} to train on, scored on {scores.split} "
        f"({counted(scores.pictures, 'picture')}). Numbers are the "
        f"{spread_name(len(study.seeds))}; gains are taken seed by seed. The gap is what fine "
        "labels on all pictures have over those on the share alone; how much of it is recovered "
        "is said by the means, and by each seed."
    )
    return "\n\n".join([head, *tables]) + "\n"


def share_figure(study: LabelStudy, by_measure: Mapping[Measure, Sequence[ShareRow]]) -> str:
    """Draw each measure against the number of pictures with fine labels."""
    charts: list[Chart] = []
    for measure, rows in by_measure.items():
        upward = sorted(rows, key=lambda row: row.share)
        best = upward[0].all
        x = [float(study.pictures[row.share]) for row in upward] + [float(study.pictures[1.0])]
        series = [
            _series("fine labels alone", x, [*(row.fine for row in upward), best], color=0),
            _series(
                f"depth {study.depth} on the rest", x, [*(row.mixed for row in upward), best], 1
            ),
        ]
        title = f"{study.subject.name}: {measure.name}"
        axes = ("pictures with fine labels", measure.name)
        charts.append(Chart(series, title, *axes, percent=True, log_x=True))
    return panels([charts])


def row_dict(study: LabelStudy, row: ShareRow) -> dict[str, object]:
    """Return a row as plain values for JSON."""
    return {
        "share": row.share,
        "pictures": study.pictures[row.share],
        FINE: row.fine.to_dict(),
        MIXED: row.mixed.to_dict(),
        ALL: row.all.to_dict(),
        "gain": row.gain.to_dict(),
        "recovered": row.recovered,
        "recovered_by_seed": list(row.by_seed),
    }


def _row(share: float, fine: Values, mixed: Values, all_: Values) -> ShareRow:
    summaries = [summarize(values) for values in (fine, mixed, all_)]
    return ShareRow(
        share,
        *summaries,
        gain=summarize(differences(mixed, fine)),
        recovered=_recovered(*(summary.mean for summary in summaries)),
        by_seed=tuple(_recovered(*seed) for seed in zip(fine, mixed, all_, strict=True)),
    )


def _recovered(fine: float | None, mixed: float | None, all_: float | None) -> float | None:
    if fine is None or mixed is None or all_ is None or all_ <= fine:
        return None
    return (mixed - fine) / (all_ - fine)


def _series(name: str, x: Sequence[float], summaries: Sequence[Summary], color: int) -> Series:
    known = [[v for v in summary.values if v is not None] for summary in summaries]
    return Series(
        name,
        x,
        [summary.mean for summary in summaries],
        low=[min(values, default=None) for values in known],
        high=[max(values, default=None) for values in known],
        color=color,
    )


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %"
