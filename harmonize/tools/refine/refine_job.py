"""The completion of one data set's labels: thresholds, pictures, and what tells about it."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from accelerate import Accelerator
from accelerate.utils import gather_object

from harmonize import __version__
from harmonize.completion.within import Choices
from harmonize.data.bad_samples import BadSample
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError, printable
from harmonize.inference.calibrated import FoundCalibration
from harmonize.runs.opened import OpenedRun
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.progress import follow
from harmonize.tools.refine.balancing import ReachedTally
from harmonize.tools.refine.complete_labels import (
    FullPicture,
    complete_label,
    read_pictures,
    see_classes,
)
from harmonize.tools.refine.label_sets import LabelSets
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refine_results import RefineResults, summarize
from harmonize.tools.refine.refine_tally import RefineTally
from harmonize.tools.refine.refined_page import ShownLabel, write_page
from harmonize.tools.refine.refined_set import RefinedSet
from harmonize.tools.refine.threshold_fit import Thresholds, fit_thresholds

RESULTS = "refine.json"
PAGE = "refine.html"
_LOOKED_AT = 200
"""Pictures that thresholds are found from."""


@dataclass(frozen=True)
class RefineJob:
    """The completion of one data set."""

    opened: OpenedRun
    accelerator: Accelerator
    dataset: SegmentationDataset
    sets: LabelSets
    network: ViewedNetwork
    target: RefinedSet
    calibration: FoundCalibration
    options: RefineOptions

    @property
    def _least(self) -> float:
        return self.network.views.largest

    def _like(self) -> AbstractContextManager[None]:
        """Normalise pictures as the data set's own, or as another's that the options name."""
        return self.network.network.like(self.options.like or self.dataset.spec.name)

    def _mine(self, numbers: Sequence[int]) -> Sequence[int]:
        return numbers[self.accelerator.process_index :: self.accelerator.num_processes]

    def _choices(self, thresholds: Thresholds) -> list[Choices | None]:
        return [
            self.sets.choices(number, thresholds, self.options.confidence) if sets else None
            for number, sets in enumerate(self.sets.finer.choices)
        ]

    def thresholds(self, fitting: Sequence[SegmentationDataset]) -> Thresholds:
        """Fit thresholds on held-out labels, then raise those of easy classes if asked to."""
        options, workers = self.options, self.opened.config.data.workers
        ontology = self.opened.sources.ontology
        found = fit_thresholds(
            fitting,
            [one.spec.leaf_masks(ontology) for one in fitting],
            self.network,
            self.sets,
            confidence=options.confidence,
            accelerator=self.accelerator,
            workers=workers,
        )
        if not options.balanced:
            return found
        number = min(_LOOKED_AT, len(self.dataset))
        chosen = [place * len(self.dataset) // number for place in range(number)]
        tally = ReachedTally(self.sets, self._choices(found))
        with together(), self._like():
            for item in self._read(self._mine(chosen), "looking"):
                if not isinstance(item, BadSample):
                    for label, seen in see_classes(item, self.network, self.sets):
                        tally.add(label, seen.mean)
        tally.together(self.accelerator)
        for one, threshold in tally.thresholds().items():
            for label, choices in enumerate(self.sets.finer.choices):
                if one in choices[1:]:
                    before = found.get((label, one), options.confidence)
                    found[label, one] = max(before, threshold)
        return found

    def complete(self, thresholds: Thresholds) -> RefineResults:
        """Complete all labels and write everything; every process must call this.

        Raises:
            HarmonizeError: a picture that cannot be used, or a file that cannot be written.
        """
        choices, paths = self._choices(thresholds), self.target.label_paths()
        whole = RefineTally.empty(len(self.sets.classes), len(self.sets.names))
        void, done = 0, list[int]()
        shown: list[ShownLabel] = []
        bad: list[BadSample] = []
        wanted = _spread(len(self.dataset), self.options.pictures)
        with together(), self._like():
            for item in self._read(self._mine(range(len(self.dataset))), self.dataset.spec.name):
                if isinstance(item, BadSample):
                    self._refuse(item)
                    bad.append(item)
                    continue
                completed = complete_label(item, self.network, self.sets, choices)
                self.target.write_label(paths[item.number], completed.sets)
                whole.add(completed.tally)
                void += int((completed.sets < 0).sum())
                done.append(item.number)
                if item.number in wanted:
                    shown.append(ShownLabel.of(item, completed, self.sets))
        return self._finish(whole, thresholds, _Done(void, done, shown, bad))

    def _refuse(self, sample: BadSample) -> None:
        """Stop at a bad picture unless the run's config skips such."""
        if self.opened.config.data.on_bad_sample == "stop":
            raise HarmonizeError(
                f"{sample.reason}; mend it, or leave such pictures out with data.on_bad_sample=skip"
            )

    def _read(self, numbers: Sequence[int], words: str) -> Iterator[FullPicture | BadSample]:
        workers = self.opened.config.data.workers
        pictures = read_pictures(self.dataset, numbers, least=self._least, workers=workers)
        is_main = self.accelerator.is_main_process
        yield from follow(pictures, len(numbers), words, "pictures", shown=is_main)

    def _finish(self, whole: RefineTally, thresholds: Thresholds, done: "_Done") -> RefineResults:
        """Add up what the processes did, and write what tells about it."""
        whole = whole.together(self.accelerator)
        gathered: list[_Done] = gather_object([done])
        numbers = sorted(number for one in gathered for number in one.numbers)
        skipped = [sample for one in gathered for sample in one.bad]
        results = summarize(
            self.sets,
            whole,
            void=sum(one.void for one in gathered),
            views=len(self.network.views),
            thresholds=self._named(thresholds),
            skipped={sample.picture: sample.reason for sample in skipped},
            ontology=self.opened.sources.ontology,
        )
        with together():
            if self.accelerator.is_main_process:
                if not numbers:
                    raise HarmonizeError(f"{self.dataset.spec.name}: no picture can be used")
                shown = sorted((s for one in gathered for s in one.shown), key=lambda s: s.number)
                self._write(results, numbers, shown)
        return results

    def _named(self, thresholds: Thresholds) -> dict[str, dict[str, float]]:
        """Return thresholds by label and set; classes with one label have the same."""
        found: dict[str, dict[str, float]] = {}
        for (label, one), value in sorted(thresholds.items()):
            own = self.sets.names[self.sets.finer.choices[label][0]]
            found.setdefault(own, {})[self.sets.names[one]] = round(value, 6)
        return found

    def _write(self, results: RefineResults, numbers: list[int], shown: list[ShownLabel]) -> None:
        ontology = self.opened.sources.ontology
        provenance = self._provenance()
        for picture, reason in results.skipped.items():
            print(printable(f"left out: {picture}: {reason}"), file=sys.stderr)
        self.target.write_mapping(ontology, numbers, results.counts, provenance)
        facts = {**provenance, "options": self.options.to_dict(), **results.to_dict()}
        path = self.target.folder / RESULTS
        with writing(path):
            write_whole(path, (json.dumps(facts, indent=2) + "\n").encode())
        title = f"{self.dataset.spec.name}, completed"
        write_page(self.target.folder / PAGE, title, self.target, results, shown)

    def _provenance(self) -> dict[str, str]:
        """Return where the labels are from, line by line."""
        options, state = self.options, self.opened.state
        digest = hashlib.sha256(self.opened.path.read_bytes()).hexdigest()
        views = self.network.views.text
        if options.flip:
            views += ", each mirrored as well"
        like = self.calibration.temperatures
        facts = {
            "made by": f"harmonize refine {__version__}",
            "run": f"{self.opened.folder}, {self.opened.path.name} of step {state.step}",
            "checkpoint": f"sha256 {digest}",
            "labels": f"{self.dataset.spec.name}, split {self.dataset.split}",
            "confidence": f"{options.confidence:g}" + (", balanced" if options.balanced else ""),
            "views": views,
            "temperatures": "none" if like is None else f"as for {' and '.join(like.like)}",
        }
        if options.coarsen is not None:
            facts["coarsened"] = f"to {options.coarsen} before"
        if options.unlabelled:
            facts["void"] = "completed too"
        return {key: printable(value) for key, value in facts.items()}


@dataclass(frozen=True)
class _Done:
    """What one process completed."""

    void: int
    numbers: list[int]
    shown: list[ShownLabel]
    bad: list[BadSample]


def _spread(pictures: int, number: int) -> frozenset[int]:
    """Return the numbers of some pictures of a data set, spread evenly over it."""
    number = min(number, pictures)
    return frozenset((2 * place + 1) * pictures // (2 * number) for place in range(number))
