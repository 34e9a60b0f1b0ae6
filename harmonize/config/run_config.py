"""The config of a run: frozen dataclasses read from YAML and ``key.path=value`` overrides."""

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from harmonize.config.accept import CONFIG_FINDINGS, Accept, check_accept
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.schema import (
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveInt,
    Range,
    Share,
    build,
)
from harmonize.config.strict_yaml import Document, Value, load_file
from harmonize.errors import HarmonizeError

_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent
"""Where the shipped folders are: inside the package, or beside it in a clone."""
_SHIPPED_FOLDERS = ("trees", "datasets", "configs")


@dataclass(frozen=True)
class DatasetEntry:
    """One data set of a run."""

    spec: str
    """The mapping: a YAML file."""
    train: str | None = None
    """The split that is trained on; none for a set that is only evaluated."""
    evaluate: str | None = None
    """The split that is scored; none to skip it."""
    weight: Annotated[float, Range(0, 1e6, above=True)] = 1.0
    """Share of the training samples, relative to the other sets."""
    override: dict[str, Any] = field(default_factory=dict[str, Any])
    """Keys of the mapping to replace, by dotted path: ``{label: "masks/{id}.png"}``."""
    take: Share | tuple[Fraction, Share] | None = None
    """Part of the training pictures, in a random order that depends on the run's seed and on their
    number alone: the first quarter (0.25), or from one place to another ([0.25, 1.0])."""
    max_depth: PositiveInt | None = None
    """Depth that training labels are coarsened to; scoring takes them as they are."""

    @property
    def part(self) -> tuple[float, float]:
        """Where in the random order the pictures that are trained on begin and end."""
        if self.take is None:
            return 0.0, 1.0
        return self.take if isinstance(self.take, tuple) else (0.0, self.take)


@dataclass(frozen=True)
class DataConfig:
    """How pictures are read and batched."""

    size: Annotated[int, Range(1, 65536)] = 256
    """Side of the square training crops, and of the shorter side when evaluating, in pixels."""
    batch_size: Annotated[int, Range(1, 1_000_000)] = 16
    """Pictures per optimizer step, over all processes and accumulation parts."""
    workers: Count = 2
    """Loader processes per training process."""
    cache: Literal["disk"] | None = None
    """``disk``: decode each training picture once, and keep it in ``cache_folder``."""
    cache_folder: str | None = None
    """Where decoded pictures are kept; by default ``cache`` beside the run folder."""
    cache_limit: Annotated[float, Range(0, 1e6, above=True)] = 50.0
    """GiB that the folder may hold; what does not fit is read from its files."""
    on_bad_sample: Literal["stop", "skip"] = "stop"
    """What to do about a picture or label that cannot be used: end with its name, or take the next
    one of its data set, and list it in the run folder."""
    bad_share: Fraction = 0.05
    """Share of the pictures of a split that may be bad before the run ends all the same; one of
    them always may."""
    roots: dict[str, str] = field(default_factory=dict[str, str])
    """Folder of each data set by name; otherwise ``$HARMONIZE_DATA/<name>``, then the mapping's."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "unet"
    """``unet``; with an ``encoder`` a decoder of segmentation-models-pytorch, such as ``fpn``; a
    segmentation network of torchvision, such as ``deeplabv3_resnet50``; of transformers, such as
    ``transformers/segformer``; or a function of one's own, ``package.module:function``, which is
    called with the number of leaves and ``args`` and returns a module."""
    encoder: str | None = None
    """An encoder of timm, such as ``resnet50``."""
    weights: str | None = None
    """Pretrained weights: a file (.safetensors or .pth), ``package:NAME`` of an installed package,
    or ``hub`` to download them. For a network of transformers, a local folder."""
    weights_partial: bool = False
    """Take weights of which only some fit."""
    channels: PositiveInt = 3
    """Bands of a picture."""
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further arguments of the network's own code: ``{decoder_channels: [128, 64, 32, 16, 8]}``."""
    width: Annotated[int, Range(1, 65536)] | None = None
    """Channels of the first level (64 unless given) of ``unet`` without an encoder; the fifth has
    16 times as many."""
    norm: Literal["batch", "group"] = "batch"
    """Normalisation: ``batch`` (synchronised across GPUs) or ``group``."""
    freeze: Literal["none", "encoder"] | PositiveInt = "none"
    """Parts of the network that are not trained, and whose batch norm keeps its statistics: the
    whole ``encoder``, or so many of its stages, counted from the input."""
    freeze_statistics: bool = False
    """Keep the running mean and variance of every batch norm as they are; its scale and shift are
    trained all the same. For small batches and a pretrained network."""
    auxiliary: NonNegative = 0.4
    """Weight in training of the loss at each further output of a network that has some."""
    checkpointing: bool = False
    """Compute the encoder's activations anew in the backward pass: less memory, slower steps."""
    stride: PositiveInt | None = None
    """What the sides of pictures are padded to multiples of; found by trying unless given."""
    reach: Count | None = None
    """Pixels further off change no logit; measured when it is needed unless given."""

    @property
    def title(self) -> str:
        """What the network is called in messages."""
        return self.name if self.encoder is None else f"{self.name} upon {self.encoder}"


@dataclass(frozen=True)
class LossConfig:
    """The hierarchical loss."""

    terms: Literal["all", "finest"] = "all"
    """Every resolved depth, or only the last one."""
    weighting: Literal["sum", "mean"] = "sum"
    """Whether a pixel's terms are added, or averaged so that all labelled pixels weigh the same."""
    coarse: Literal["use", "ignore"] = "use"
    """Whether labels of more than one leaf are learned from."""
    depth_weights: tuple[NonNegative, ...] | None = None
    """Weight of the term at each depth 1, 2, ...; all 1 unless given."""
    compile: bool | None = None
    """Compute the loss in one compiled pass, by a C compiler for a CPU and by Triton for a GPU;
    null does so where that is possible."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer and the learning rate's schedule."""

    name: Literal["sgd", "adamw"] = "sgd"
    """Stochastic gradient descent, or Adam with decoupled weight decay."""
    lr: Annotated[float, Range(0, 1e6, above=True)] = 0.01
    """The highest learning rate."""
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9
    """Momentum of SGD, beta1 of AdamW."""
    weight_decay: NonNegative = 0.0
    """Weight decay of all weights but those of norms and biases, which never decay."""
    schedule: Literal["constant", "poly", "cosine"] = "poly"
    """``poly`` is (1 - step / steps) ** 0.9; ``cosine`` is half a cosine down to 0."""
    warmup: Count = 0
    """Steps at the start over which the learning rate rises to its value."""
    encoder_lr: Positive = 1.0
    """Factor of the encoder's learning rate: 0.1 trains a pretrained encoder ten times as slowly as
    the rest."""
    layer_decay: Share = 1.0
    """Factor of the learning rate from each stage of the encoder to the one before it. The deepest
    of n stages has the encoder's rate, stage i has layer_decay ** (n - i) of it."""
    clip: Positive | None = None
    """The largest norm that a step's gradient may have; one above it is scaled down to it.
    metrics.jsonl then says the norm before that, of the last step of each line."""


@dataclass(frozen=True)
class TrainConfig:
    """The training loop."""

    steps: PositiveInt = 1000
    """Optimizer steps of the whole run."""
    epochs: Positive | None = None
    """Instead of ``steps``: how often each training picture of the largest data set is seen. The
    run's own config then says how many steps these are."""
    epochs_of: str | None = None
    """Name of the data set whose epochs are counted, if not of the largest."""
    accumulate: PositiveInt = 1
    """Parts that each process's share of a batch is split into, to save memory."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """``auto``: what ``accelerate launch --mixed_precision`` says, else bf16 where the device
    computes in it, else float32."""
    evaluate_every: PositiveInt | None = None
    """Steps between evaluations; the end is always evaluated."""
    checkpoint_every: PositiveInt | None = None
    """Steps between checkpoints; the end is always saved."""
    patience: PositiveInt | None = None
    """End the run after so many evaluations in a row whose mean IoU over the trained data sets is
    no better than the best before them. A greater number lets such a run go on."""
    ema: Annotated[float, Range(0, 0.999999, above=True)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999: step t, from 0 on,
    keeps min(ema, (1 + t) / (10 + t)) of it. Batch-norm statistics are not averaged. It costs the
    memory of the weights once more and a second evaluation each time; the run answers with
    whichever scored better at its last evaluation."""
    unfreeze_at: PositiveInt | None = None
    """Step after which what ``model.freeze`` names is trained too."""
    log_every: PositiveInt = 10
    """Steps that one line of metrics.jsonl averages over."""
    compile: bool = False
    """Compile the network with ``torch.compile``: quicker steps after a first one that takes from
    half a minute to several."""
    deterministic: bool = False
    """Use only operations that give the same result every time. On a CPU a run is so anyhow: there
    it refuses others. On a GPU it costs speed."""
    on_failed_checkpoint: Literal["stop", "continue"] = "stop"
    """What to do when a checkpoint cannot be written, as on a full disk: end with the last one, or
    go on training and try again at the next."""
    on_bad_numbers: Literal["stop", "skip"] = "stop"
    """What to do about a step whose loss or gradient is not finite: end before it is taken, or go
    on without it. Its samples are kept in the run folder."""
    track: tuple[str, ...] = ()
    """Experiment trackers that Accelerate knows: ``[tensorboard]``."""
    report: bool = True
    """Write ``report.html`` into the run folder at the end."""
    digest: bool = False
    """Write checksums of the initial weights and of all input into metrics.jsonl, which prove that
    two runs saw the same."""
    resume: bool = False
    """Continue the run in ``output`` from its newest checkpoint."""


@dataclass(frozen=True)
class EvaluateConfig:
    """How pictures are scored."""

    crop: bool = False
    """Score the centre square at ``data.size`` (the paper's way), not the label at its own size."""
    pictures: Count = 4
    """Pictures of each scored set whose answers are kept at each evaluation, in the run folder and
    by the trackers."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run is made from."""

    ontology: str
    """The tree: a text file."""
    datasets: tuple[DatasetEntry, ...]
    """The sets that are mixed."""
    evaluate_also: tuple[DatasetEntry, ...] = ()
    """Sets that are scored but never trained on."""
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()  # noqa: RUF009  frozen too
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    """Of the initial weights and of the order and the augmentation of the samples."""
    output: str | None = None
    """The run folder; by default ``runs/<config name>``, then ``-2``, ``-3``."""
    accept: Accept = field(default_factory=Accept)
    """Findings of ``harmonize check`` that are meant, by kind: ``{unsupervised: [necklace]}``."""

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> "RunConfig":
        """Read a config and apply overrides such as ``train.steps=100``.

        Raises:
            HarmonizeError: one line for each thing that is wrong.
        """
        return cls.from_document(load_file(path), overrides)

    @classmethod
    def from_document(cls, document: Document, overrides: Iterable[str] = ()) -> "RunConfig":
        """Build a config from parsed YAML; see ``from_file``."""
        for assignment in overrides:
            document.override(assignment)
        config = build(cls, document)
        config._check(document)
        return config

    def to_dict(self) -> dict[str, Value]:
        """Return the config as plain YAML values, every default written out.

        Whether the run was resumed is left out: it is the same run.
        """
        fresh = dataclasses.replace(self, train=dataclasses.replace(self.train, resume=False))
        values = dataclasses.asdict(fresh)
        if self.train.epochs is not None:  # not yet known how many steps they are
            del values["train"]["steps"]
        plain = _plain(values)
        assert isinstance(plain, dict)
        return plain

    def _unused(self, document: Document) -> list[str]:
        return [
            f"{document.where((key, number))}: neither trained on nor scored; give `evaluate`"
            for key in ("datasets", "evaluate_also")
            for number, entry in enumerate(getattr(self, key))
            if entry.train is None and entry.evaluate is None
        ]

    def _misplaced(self, document: Document) -> list[str]:
        """Return what is wrong with keys about training."""
        problems: list[str] = []
        for key in ("datasets", "evaluate_also"):
            for number, entry in enumerate(getattr(self, key)):
                if key == "evaluate_also" and entry.train is not None:
                    where = document.where((key, number, "train"))
                    problems.append(f"{where}: these sets are never trained on; remove the key")
                problems += [
                    f"{document.where((key, number, name))}: the set is not trained on; remove the "
                    "key"
                    for name in ("take", "max_depth")
                    if entry.train is None and getattr(entry, name) is not None
                ]
                if entry.part[0] >= entry.part[1]:
                    where = document.where((key, number, "take"))
                    problems.append(f"{where}: the lower bound comes first, got {entry.take}")
        return problems

    def _about_training(self, document: Document) -> list[str]:
        """Return what is wrong between keys that say how the network is trained."""
        train, values = self.train, cast("dict[str, dict[str, Any]]", document.value)
        fixed = train.epochs is None
        scored = any(entry.train and entry.evaluate for entry in self.datasets)
        wrong = (
            (
                "epochs",
                not fixed and "steps" in values["train"],
                "train.steps is given too; remove one of them",
            ),
            (
                "epochs_of",
                fixed and train.epochs_of is not None,
                "belongs to train.epochs; give it too, or remove the key",
            ),
            (
                "patience",
                train.patience is not None and train.evaluate_every is None,
                "counts evaluations; give train.evaluate_every too",
            ),
            (
                "patience",
                train.patience is not None and not scored,
                "no data set is both trained on and scored; give one of them `evaluate`",
            ),
            (
                "unfreeze_at",
                train.unfreeze_at is not None and self.model.freeze == "none",
                "nothing is frozen; give model.freeze, or remove the key",
            ),
            (
                "unfreeze_at",
                fixed and (train.unfreeze_at or 0) >= train.steps,
                f"never comes in a run of {train.steps} steps; give a smaller number",
            ),
        )
        return [
            f"{document.where(('train', key))}: {problem}" for key, holds, problem in wrong if holds
        ]

    def _check(self, document: Document) -> None:
        problems: list[str] = []
        check_accept(self.accept, CONFIG_FINDINGS, document, problems)
        if not any(entry.train for entry in self.datasets):
            problems.append(
                f"{document.where(('datasets',))}: nothing to train on; "
                "give at least one data set a `train` split"
            )
        else:
            problems += self._unused(document)
        problems += self._misplaced(document)
        problems += self._about_training(document)
        problems += self.augment.problems(document, ("augment",))
        if problems:
            raise HarmonizeError(*problems)


def find_file(path: str) -> Path:
    """Find a tree, mapping or config: from the working directory, else among the shipped files."""
    candidate = Path(os.path.expanduser(path))  # noqa: PTH111  leaves an unknown ~user alone
    shipped = SHIPPED / candidate
    is_shipped = candidate.parts[:1] in [(folder,) for folder in _SHIPPED_FOLDERS]
    return shipped if is_shipped and not candidate.exists() and shipped.is_file() else candidate


def _plain(value: Any) -> Value:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value
