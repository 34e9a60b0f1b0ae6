"""Estimate how far a run's answers can be trusted on pictures without labels."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate.utils import gather_object
from jaxtyping import Float
from torch import Tensor

from harmonize.calibration.calibration_file import NAME, read_calibration
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import Views
from harmonize.errors import HarmonizeError, printable
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.predict_options import PredictOptions, choose_answers
from harmonize.inference.trained import TrainedRun
from harmonize.labels.separable import separable_leaves, with_twins
from harmonize.labels.sources import Sources
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.calibrate_run import warn_of_trained
from harmonize.pipeline.evaluate_run import ScoringRun, open_for_scoring
from harmonize.pipeline.unlabelled import Unlabelled, find_unlabelled, labelled_sets
from harmonize.plurals import counted
from harmonize.runs.opened import OpenedRun
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.progress import ProgressLine, tell
from harmonize.system.signals import until_stopped
from harmonize.unseen.estimating import estimate
from harmonize.unseen.looking import SCALES, Judge, Looker
from harmonize.unseen.picture_sums import COUNTS, PictureSums
from harmonize.unseen.unlabelled_pictures import LabelledPictures, Read, UnlabelledPictures
from harmonize.unseen.unseen_results import UnseenResults

# Letters of shapes: Q pictures, C answers.


@dataclass(frozen=True)
class EstimateOptions:
    """What is estimated, and from what.

    Attributes:
        unlabelled: pictures as ``predict`` takes them, or one data set or mapping.
        datasets: sets with labels; those that the config scores if empty.
        split: of these; by default the split that the config scores, else ``val``.
        depth: estimate for the groups there.
        classes_of: estimate for the classes of this data set; for the leaves if neither is given.
        which: ``best`` or ``last`` checkpoint.
        json_file: where to write the estimates as well.
        overrides: of the run's config.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
        ontology: the tree that answers, of a run of several.
    """

    unlabelled: Sequence[str]
    datasets: Sequence[str] = ()
    split: str | None = None
    depth: int | None = None
    classes_of: str | None = None
    which: str = "last"
    json_file: Path | None = None
    overrides: Iterable[str] = field(default_factory=tuple[str, ...])
    trust_code: bool = False
    ontology: str | None = None


def estimate_run(run: Path, options: EstimateOptions) -> None:
    """Estimate the accuracy of a run's answers on pictures without labels, and print it.

    Nothing is written into the run folder.

    Raises:
        HarmonizeError: what the user can mend.
    """
    target = options.json_file
    if target is not None and (target.is_dir() or not target.absolute().parent.is_dir()):
        raise HarmonizeError(f"--json {target}: name a file in a folder that exists")
    with open_for_scoring(
        run,
        options.which,
        options.overrides,
        trust_code=options.trust_code,
        several="one",
        ontology=options.ontology,
    ) as scoring:
        opened = scoring.run
        asked = PredictOptions(depth=options.depth, dataset=options.classes_of)
        wording = choose_answers(TrainedRun(opened), asked)
        space, notes = _with_temperatures(opened, wording.answers, options)
        if not wording.views.is_one:
            notes.append(
                "the run's answers are averaged over several views (evaluate.scales, "
                "evaluate.flip); this estimates those of the first alone"
            )
        unlabelled = find_unlabelled(options.unlabelled, scoring)
        labelled = labelled_sets(scoring, options.datasets, options.split, unlabelled)
        if scoring.is_main:
            warn_of_trained(opened.sources, labelled)
        results = _look(scoring, space, labelled, unlabelled)
        if scoring.is_main:
            _tell(opened, results, [*unlabelled.notes, *notes], target)


def _with_temperatures(
    run: OpenedRun, space: AnswerSpace, options: EstimateOptions
) -> tuple[AnswerSpace, list[str]]:
    """Have probabilities go by the run's calibration: the largest temperatures of all sets."""
    file = read_calibration(run.folder, run.tree)
    if file is None or file.step != run.state.step:
        option = "" if options.which == "last" else f" --checkpoint {options.which}"
        reason = f"there is no {NAME}" if file is None else f"{file.path} is of step {file.step}"
        return space, [
            f"probabilities are not calibrated: {reason}; `harmonize calibrate {run.folder}"
            f"{option}` makes it"
        ]
    known = file.temperatures(run.sources.ontology.leaves, None)
    return dataclasses.replace(space, temperatures=known.by_leaf), []


def _look(
    scoring: ScoringRun,
    space: AnswerSpace,
    labelled: Sequence[SegmentationDataset],
    unlabelled: Unlabelled,
) -> UnseenResults:
    """Count all pictures, and estimate."""
    sources, config = scoring.run.sources, scoring.run.config
    assert isinstance(scoring.model, Segmenter)
    looker = Looker(
        TiledNetwork(scoring.model, scoring.accelerator),
        space,
        torch.from_numpy(sources.ontology.mirror),
        Views(config.answer_size, SCALES, flip=True),
        crop=config.evaluate.crop,
    )
    judges = _judges(sources, labelled, space)
    skip = config.data.on_bad_sample == "skip"
    counted = [
        _count(
            scoring,
            looker,
            LabelledPictures(one, looker.least, skip_bad=skip),
            one.spec.name,
            judge,
        )
        for one, judge in zip(labelled, judges, strict=True)
    ]
    pictures = unlabelled.pictures(looker.least)
    unseen, skipped = _count(scoring, looker, pictures, unlabelled.name)
    if not unseen.counts.sum():
        raise HarmonizeError(*(skipped or ["no picture without labels could be looked at"]))
    if not any(one.counts.sum() for one, _ in counted):
        raise HarmonizeError("the pictures with labels have none that judges an answer")
    estimates, overall = estimate([one for one, _ in counted], unseen)
    return UnseenResults(
        space.title,
        tuple(label.name for label in space.labels),
        estimates,
        overall,
        len(pictures) - len(skipped),
        {
            one.spec.name: (one.split, len(one) - len(bad))
            for one, (_, bad) in zip(labelled, counted, strict=True)
        },
        [*(problem for _, bad in counted for problem in bad), *skipped],
    )


def _judges(
    sources: Sources, labelled: Sequence[SegmentationDataset], space: AnswerSpace
) -> list[Judge]:
    """Return what the labels of each set say of answers.

    Raises:
        HarmonizeError: no set's labels judge any answer.
    """
    separable = separable_leaves(sources.ontology, sources.taught)
    answers = torch.from_numpy(space.masks)
    judges: list[Judge] = []
    for one in labelled:
        masks = with_twins(sources.ontology, separable, one.spec.leaf_masks(sources.ontology))
        judges.append(Judge.of(torch.from_numpy(masks), answers))
    if not any(judge.counts.any() for judge in judges):
        names = ", ".join(one.spec.name for one in labelled)
        raise HarmonizeError(
            f"--dataset: the labels of {names} are too coarse to judge {space.title}; say --depth "
            "or --as for coarser answers, or name a set with finer labels"
        )
    return judges


def _count(
    scoring: ScoringRun,
    looker: Looker,
    pictures: LabelledPictures | UnlabelledPictures,
    name: str,
    judge: Judge | None = None,
) -> tuple[PictureSums, list[str]]:
    """Count all pictures of a set; each process takes its share. Bad ones count as nothing."""
    accelerator, workers = scoring.accelerator, scoring.run.config.data.workers
    mine = range(accelerator.process_index, len(pictures), accelerator.num_processes)
    counts = torch.zeros(len(pictures), len(looker.space.labels), len(COUNTS))
    problems: list[str] = []
    read = load(pictures, [[number] for number in mine], _only, workers=workers)
    bar = ProgressLine(len(mine), f"answering {name}", "pictures", shown=scoring.is_main)
    with bar, together():
        for number, one in zip(mine, until_stopped(read), strict=True):
            if one.problem:
                problems.append(one.problem)
            else:
                counts[number] = looker.count(one, judge)
            bar.update()
    return PictureSums(name, _everywhere(scoring, counts)), gather_object(problems)


def _everywhere(scoring: ScoringRun, counts: Float[Tensor, "Q C 5"]) -> Float[Tensor, "Q C 5"]:
    """Add up what all processes counted; each picture was counted by one."""
    summed = scoring.accelerator.reduce(counts.to(scoring.accelerator.device), reduction="sum")
    assert isinstance(summed, Tensor)
    return summed.cpu().double()


def _only(read: list[Read]) -> Read:
    return read[0]


def _tell(run: OpenedRun, results: UnseenResults, warnings: list[str], target: Path | None) -> None:
    """Print the table, and write the file if there is to be one."""
    for warning in [*warnings, *(f"left out: {problem}" for problem in results.skipped)]:
        print(printable(f"warning: {warning}"), file=sys.stderr)
    tell(f"{run.path}, after {counted(run.state.step, 'step')}\n")
    print(*map(printable, results.table().split("\n")), sep="\n")
    if target is not None:
        facts = {"checkpoint": run.path.name, "step": run.state.step, **results.to_dict()}
        with writing(target):
            write_whole(target, (json.dumps(facts, indent=2) + "\n").encode())
