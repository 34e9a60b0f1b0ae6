"""A trained run, opened: asked for answers, scored, and looked at."""

import copy
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import nn

from harmonize.api.answer import Answer
from harmonize.api.pictures import Picture, see_picture
from harmonize.config.run_config import RunConfig
from harmonize.decoding.tiled_network import DEFAULT_TILE, TiledNetwork
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.inference.annotations.project import mapping_of
from harmonize.inference.inputs import find_pictures
from harmonize.inference.predict import predict_trained
from harmonize.inference.predict_options import PredictOptions, choose_answers
from harmonize.inference.trained import TrainedRun
from harmonize.inference.write_answers import Output
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import Sources
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.evaluate_run import ScoringRun
from harmonize.plurals import counted
from harmonize.runs.opened import OpenedRun, open_run
from harmonize.runs.precision import start_accelerator
from harmonize.runs.run_folder import EVALUATION

# Letters of shapes: C channels or possible answers, H x W pixels of a picture.


class Run:
    """A run folder and its trained network; ``Run.open`` makes one.

    Of a run of several trees ``of_tree`` gives the run as one of them has it.

    Attributes:
        folder: of the run.
        config: of the run, every default written out.
        network: pictures (B, C, H, W) of 0..255 to logits (B, leaves, H, W), in evaluation mode.
        step: optimizer steps that the network was trained for.
    """

    def __init__(
        self, opened: OpenedRun, *, cpu: bool = False, network: Segmenter | None = None
    ) -> None:
        """Build the network of an opened run, on the CPU or where Accelerate puts it.

        Unless it is given: then that answers with the channels of the opened run's tree.
        """
        self._opened = opened
        self._cpu = cpu
        self.folder: Path = opened.folder
        self.config: RunConfig = opened.config
        accelerator = self._start_accelerator()
        self.step: int = opened.state.step
        self.network: Segmenter = (
            opened.network(accelerator.device) if network is None else copy.copy(network)
        )
        self.network.span = opened.span
        self._tiled = TiledNetwork(self.network, accelerator)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        which: Literal["last", "best"] = "last",
        model: nn.Module | None = None,
        trust_code: bool = False,
        cpu: bool = False,
        ontology: str | None = None,
    ) -> "Run":
        """Open a run folder.

        Args:
            folder: of the run, or the address of one that was pushed (``hub:USER/NAME``), which
                is pulled into the user's cache.
            which: checkpoint.
            model: a network like the one that was trained, for a run whose network is code of its
                own; its weights are replaced by the checkpoint's.
            trust_code: import the code that the run's config names.
            cpu: use the CPU even where there is a GPU.
            ontology: the tree to open it by, of a run of several; all of them unless given.

        Raises:
            HarmonizeError: no run folder, no such checkpoint or tree, or a network that needs
                ``model`` or ``trust_code``.
        """
        if isinstance(folder, str) and ("://" in folder or folder.startswith("hub:")):
            from harmonize.sharing.pull import cached_run

            folder = cached_run(folder)
        opened = open_run(
            Path(folder),
            which=which,
            model=model,
            trust_code=trust_code,
            several="any",
            ontology=ontology,
        )
        return cls(opened, cpu=cpu)

    @property
    def ontology(self) -> Ontology:
        """The tree; of several that are not parted, all of them side by side."""
        return self._opened.sources.ontology

    @property
    def trees(self) -> tuple[str, ...]:
        """The names of the trees."""
        return self._opened.trees

    def of_tree(self, name: str) -> "Run":
        """Return the run as one of its trees has it: its channels, classes and scores alone.

        Raises:
            HarmonizeError: it has no such tree.
        """
        return Run(self._opened.of_tree(name), cpu=self._cpu, network=self.network)

    @property
    def sources(self) -> Sources:
        """The tree and the mappings that the run was trained with."""
        return self._opened.sources

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the data sets that the run was trained on or scored on."""
        return tuple(spec.name for spec in self._opened.sources.specs)

    @property
    def scores(self) -> dict[str, Any]:
        """The scores at the end of training, by data set, as ``evaluation.json`` holds them.

        Raises:
            HarmonizeError: the run was not scored, or the file is damaged.
        """
        path = self.folder / EVALUATION
        try:
            found = json.loads(path.read_text())["datasets"]
            return {key: one for name, one in found.items() if (key := self._opened.own_name(name))}
        except FileNotFoundError:
            raise HarmonizeError(
                f"{path}: is not there; score the run with run.evaluate()"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise HarmonizeError(f"{path}: holds no scores: {error}") from None

    def predict(
        self,
        picture: Picture,
        *,
        depth: int | None = None,
        as_: str | Path | None = None,
        confidence: float | None = None,
        like: str | None = None,
        calibrated: bool = True,
        size: int | Literal["full"] | None = None,
        scales: tuple[float, ...] | None = None,
        flip: bool | None = None,
        tile: int = DEFAULT_TILE,
        probabilities: bool = False,
        channels_of: str | None = None,
    ) -> Answer:
        """Answer one picture. At most one of ``depth``, ``as_``, ``confidence``; else leaves.

        Args:
            picture: a file, a Pillow image, or pixels (H, W, C) or (H, W), uint8 in 0..255.
            depth: answer the groups at this depth of the tree.
            as_: answer the classes of this data set of the run, or of this mapping file.
            confidence: answer the deepest node that is at least as probable, in (0, 1].
            like: take the calibration of this data set, the most careful of all unless given; and
                its statistics, where the run's batch norm has some of each set.
            calibrated: whether a confidence goes by the run's calibration, if it has one.
            size: shorter side that the network sees in pixels, or ``full``; the run's unless given.
            scales: average the probabilities of views of these factors of the size.
            flip: average them with those of the mirrored views; both as the run is scored unless
                given.
            tile: pictures of more than ``tile * tile`` scaled pixels are answered in tiles.
            probabilities: keep the probability of every possible answer too.
            channels_of: a TIFF picture has the bands of this data set, where those of the run's
                data sets differ.

        Raises:
            HarmonizeError: a picture that cannot be read, or options that mean nothing.
        """
        _only_one(depth=depth, as_=as_, confidence=confidence)
        self._only_one_tree("predict(picture)", "predict_trees(picture)")
        options = PredictOptions(
            depth=depth,
            dataset=None if as_ is None else str(as_),
            confidence=confidence,
            like=like,
            calibrated=calibrated,
            size=size,
            scales=scales,
            flip=flip,
            tile=tile,
            channels_of=channels_of,
        )
        wording = choose_answers(TrainedRun(self._opened), options)
        seen = see_picture(picture, wording.views, wording.read_as)
        space, shown = wording.answers, seen.shown
        assert shown is not None
        with self._tiled.like(wording.like):
            mirror = torch.from_numpy(self.ontology.mirror)
            network = ViewedNetwork(self._tiled, wording.views, mirror)
            found = network.answer(seen.scaled, seen.size, space)
            sure = network.probabilities(seen.scaled, seen.size, space) if probabilities else None
        return Answer(found, space, shown, sure)

    def predict_trees(self, picture: Picture, **options: Any) -> dict[str, Answer]:
        """Answer one picture by each tree of a run, or of several by those that ``as_`` is about.

        Args:
            picture: as for ``predict``.
            options: as for ``predict``.

        Returns:
            The answers by tree.

        Raises:
            HarmonizeError: a picture that cannot be read, or options that mean nothing to a tree.
        """
        as_ = options.get("as_")
        trees = self._opened.trees_about(None if as_ is None else str(as_))
        return {name: self.of_tree(name).predict(picture, **options) for name in trees}

    def annotate(
        self,
        pictures: Sequence[str | Path],
        folder: str | Path,
        write: Literal["coco", "labelme", "label-studio", "cvat"],
        *,
        depth: int | None = None,
        as_: str | Path | None = None,
        confidence: float | None = None,
        like: str | None = None,
        calibrated: bool = True,
    ) -> Path:
        """Answer pictures, and write annotations for people to correct in a tool.

        Args:
            pictures: files, folders and patterns.
            folder: for answers, annotations and a mapping.
            write: the tool.
            depth: as for ``predict``, like those below.
            as_: a data set or a mapping file.
            confidence: of the nodes that are answered.
            like: a data set whose calibration is taken.
            calibrated: whether a confidence goes by a calibration.

        Returns:
            The mapping that reads the annotations.

        Raises:
            HarmonizeError: a picture that cannot be read, or files that may have been corrected.
        """
        _only_one(depth=depth, as_=as_, confidence=confidence)
        self._only_one_tree("annotate(...)")
        options = PredictOptions(
            depth=depth,
            dataset=None if as_ is None else str(as_),
            confidence=confidence,
            like=like,
            calibrated=calibrated,
            cpu=self._cpu,
        )
        output = Output(Path(folder), overlays=False, annotations=write)
        wanted = find_pictures([str(one) for one in pictures], output.folder)
        if predict_trained(TrainedRun(self._opened), wanted, output, options):
            raise HarmonizeError(f"{output.folder}: was stopped; nothing is annotated")
        return mapping_of(output.folder)

    def evaluate(self, *datasets: str | Path, split: str | None = None) -> dict[str, DatasetScores]:
        """Score the network on data sets, each in its own classes.

        Args:
            datasets: names of the run's data sets, or mapping files; all that its config scores
                unless given.
            split: to score; by default what the config scores, else ``val``.

        Returns:
            The scores by data set; ``print(scores["NAME"].table())`` shows them.

        Raises:
            HarmonizeError: an unknown data set, or files that are missing or damaged.
        """
        scoring = ScoringRun(self._opened, self.network, self._start_accelerator())
        found = scoring.score(scoring.datasets([str(name) for name in datasets], split))
        return {one.name: one for one in found}

    def _only_one_tree(self, call: str, *others: str) -> None:
        """Refuse several trees that are not parted.

        Raises:
            HarmonizeError: naming the calls that take them.
        """
        if self._opened.sources.trees:
            calls = [*(f"of_tree({tree!r}).{call}" for tree in self.trees), *others]
            raise HarmonizeError(
                f"{self.folder}: has several trees, and this is about one; say "
                f"{' or '.join(f'run.{one}' for one in calls)}"
            )

    def _start_accelerator(self) -> Accelerator:
        """Return an Accelerator in the run's precision, which others may have changed since."""
        return start_accelerator(self.config.train.precision, cpu=self._cpu)

    def __repr__(self) -> str:
        return (
            f"<Run {self.folder}: {self.config.model.name}, "
            f"{counted(len(self.ontology.leaves), 'leaf', 'leaves')} of "
            f"{self.ontology.name}, {counted(self.step, 'step')}, {', '.join(self.datasets)}>"
        )

    def _repr_html_(self) -> str:
        """Return the run's scores for a notebook."""
        rows = []
        if (self.folder / EVALUATION).is_file():
            for name, one in self.scores.items():
                ends = [_percent(end) for end in one.get("mean_iou_interval") or ()]
                interval = f"[{', '.join(ends)}]" if ends else "-"
                cells = [_percent(one["mean_iou"]), interval, _percent(one["pixel_accuracy"])]
                rows.append([name, one["split"], *cells])
        head = ["data set", "split", "mean IoU, %", "95 % interval", "pixel accuracy, %"]
        table = _rows("th", [head]) + _rows("td", rows)
        return f"<p>{html.escape(repr(self))}</p><table>{table}</table>"


def _only_one(**given: object) -> None:
    """Refuse more than one way to answer."""
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise HarmonizeError(f"{' and '.join(several)}: give one of them")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _rows(cell: str, rows: Sequence[Sequence[str]]) -> str:
    return "".join(
        "<tr>" + "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in row) + "</tr>"
        for row in rows
    )
