"""What is asked of a trained network: in which answers, how sure, at what size."""

import dataclasses
import math
from dataclasses import dataclass

from harmonize.calibration.calibration_file import Temperatures
from harmonize.config.run_config import find_file
from harmonize.config.train_config import Decode
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.tiled_network import DEFAULT_TILE
from harmonize.decoding.views import Views
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.inference.answer_space import (
    AnswerSpace,
    classes_of,
    confident_nodes,
    decoder_of,
    groups,
    leaves,
)
from harmonize.inference.calibrated import NOT_CALIBRATED, FoundCalibration, Use
from harmonize.inference.read_as import ReadAs, choose_channels
from harmonize.inference.trained import Trained
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import Sources
from harmonize.models.dataset_norms import PER_DATASET


@dataclass(frozen=True)
class PredictOptions:
    """What is wanted of a network. At most one of the first three is given; else leaves are.

    Attributes:
        depth: answer the groups there.
        dataset: answer the classes of this data set of the run, or of this mapping file.
        confidence: answer the deepest node that is as probable.
        like: take the temperatures of this data set, and its statistics if the network has some of
            each; unless given, the largest temperatures, and the statistics of all sets together.
        calibrated: whether to use the run's calibration, if it has one; for a confidence only.
        size: the shorter side of what the network sees, ``full`` for the picture's own; the one
            that the run is scored at unless given.
        scales: the probabilities of views of these factors of the size are averaged.
        flip: those of each mirrored view are averaged with them; both as the run is scored unless
            given.
        tile: pictures of more than ``tile * tile`` scaled pixels go through the network in tiles.
        checkpoint: ``best`` or ``last``.
        precision: ``auto``, ``float32``, ``bf16`` or ``fp16``; the run's unless given.
        decode: how pixels are decided; as the run is scored unless given; see ``Decoder``.
        cpu: compute on the CPU even where there is a GPU.
        turn: turn pictures upright as their EXIF data says.
        roots: folders of data sets, for those that have their ids from a file there.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
        ontology: the tree to answer by, of a run of several; each of them unless given.
        channels_of: TIFF pictures have the bands of this data set; needed where those of a run's
            data sets differ.
    """

    depth: int | None = None
    dataset: str | None = None
    confidence: float | None = None
    like: str | None = None
    calibrated: bool = True
    size: int | str | None = None
    scales: tuple[float, ...] | None = None
    flip: bool | None = None
    tile: int = DEFAULT_TILE
    checkpoint: str = "last"
    precision: str | None = None
    decode: Decode | None = None
    cpu: bool = False
    turn: bool = True
    roots: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    trust_code: bool = False
    ontology: str | None = None
    channels_of: str | None = None

    def check(self) -> None:
        """Make sure that the options go together.

        Raises:
            HarmonizeError: they do not.
        """
        raise_all(
            f"--scales {scale:g}: a factor of the size, above 0; 1 is the size itself"
            for scale in self.scales or ()
            if not 0 < scale < math.inf
        )
        if self.confidence is None and not self.calibrated:
            raise _about_probabilities("--uncalibrated")

    def statistics_like(self, run: Trained) -> str | None:
        """Return the data set whose statistics of batch norm are taken; None for all together.

        Raises:
            HarmonizeError: ``like`` means nothing to the run.
        """
        if self.like is None:
            return None
        per_dataset, trained = run.config.model.norm == PER_DATASET, run.sources.trained_names
        if self.confidence is None and not per_dataset:
            raise _about_probabilities(f"--like {self.like}")
        if per_dataset and self.like in trained:
            return self.like
        if self.confidence is None:
            raise HarmonizeError(
                f"--like {self.like}: the run was not trained on such a data set; "
                f"{near_matches(self.like, trained)}"
            )
        return None  # it is known to the calibration, or the error comes from there


def _about_probabilities(option: str) -> HarmonizeError:
    return HarmonizeError(f"{option}: is about probabilities; add --confidence, or leave it out")


@dataclass(frozen=True)
class Wording:
    """The answers that options ask for, and the calibration that they go by."""

    answers: AnswerSpace
    calibration: FoundCalibration
    views: Views
    """How the network looks at pictures."""
    like: str | None = None
    """The data set whose statistics of batch norm are taken; None for all together."""
    read_as: ReadAs = ReadAs()
    """The bands that the network takes, and those of TIFF pictures."""
    dataset: DatasetSpec | None = None
    """The data set whose classes are answered, if any."""


def choose_answers(run: Trained, options: PredictOptions) -> Wording:
    """Find the possible answers of a trained network, as options say.

    Raises:
        HarmonizeError: there are no such answers, or no such calibration.
    """
    options.check()
    like = options.statistics_like(run)
    names = [spec.name for spec in run.sources.specs]
    raise_all(
        f"data.roots.{name}: the run has no data set {name!r}; {near_matches(name, names)}"
        for name in options.roots
        if name not in names and options.dataset in (None, *names)
    )
    size = run.config.answer_size if options.size is None else options.size
    calibration = NOT_CALIBRATED
    if options.confidence is not None and options.calibrated:
        use = Use(options.confidence, options.like, size, run.step, options.checkpoint)
        calibration = run.calibration(use)
    roots = {**run.config.data.roots, **options.roots}
    decoder = decoder_of(run.sources, options.decode or run.config.evaluate.decode)
    spec = _dataset(run.sources, options)
    answers = _answers(run.sources, decoder, options, spec, roots, calibration.temperatures)
    evaluate = run.config.evaluate
    views = Views(
        size,
        evaluate.scales if options.scales is None else options.scales,
        evaluate.flip if options.flip is None else options.flip,
        options.tile,
    )
    read_as = choose_channels(run.config.model.bands, run.sources.specs, options.channels_of)
    return Wording(answers, calibration, views, like, read_as, spec)


def _answers(
    sources: Sources,
    decoder: Decoder,
    options: PredictOptions,
    spec: DatasetSpec | None,
    roots: dict[str, str],
    temperatures: Temperatures | None,
) -> AnswerSpace:
    if options.depth is not None:
        return groups(sources, decoder, options.depth)
    if options.confidence is not None:
        return confident_nodes(sources, decoder, options.confidence, temperatures)
    if spec is None:
        return leaves(sources, decoder)
    return classes_of(sources, decoder, spec, roots)


def _dataset(sources: Sources, options: PredictOptions) -> DatasetSpec | None:
    """Return the data set whose classes are asked for, if any are."""
    if options.dataset is None or options.depth is not None or options.confidence is not None:
        return None
    known = {spec.name: spec for spec in sources.specs}
    if options.dataset in known:
        return known[options.dataset]
    mapping = find_file(options.dataset)
    if not mapping.is_file():
        raise HarmonizeError(
            f"--as {options.dataset}: neither a data set of this run nor a mapping file; "
            f"{near_matches(options.dataset, known)}"
        )
    return DatasetSpec.from_file(mapping)
