"""The keys of a config about its optimizer, its training loop and its scoring."""

from dataclasses import dataclass
from typing import Annotated, Literal

from harmonize.config.schema import (
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveInt,
    Range,
    Share,
)

Decode = Literal["tree", "leaves", "height"]
"""How it is decided what a pixel is answered as."""


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
class CompleteConfig:
    """Coarse labels completed during training, inside what they say: a label of several leaves
    becomes the deepest node within it that a teacher, an average of the network's weights, finds
    probable enough in the picture before colours are changed."""

    from_: Fraction = 0.5
    """Share of the steps after which this begins; until then labels are as they are."""
    confidence: Annotated[float, Range(0, 1, above=True)] = 0.9
    """Probability within the label that a finer one must reach; it is also the weight that the
    pixel then has in the log loss, to the nearest twentieth. 1 completes nothing."""
    every: PositiveInt = 500
    """Steps after which the teacher takes the network's averaged weights anew; without
    ``train.ema`` those that it has."""


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
    complete: CompleteConfig | None = None
    start_from: str | None = None
    """A run folder whose network this one begins as, in place of initial or pretrained weights: its
    newest checkpoint, with the weights that it answers with. Its tree may be another: a leaf that
    has become a group hands its weights to its children, so that every old group is as probable as
    before; ``@was NODE OLD_NAME`` in the new tree says what was called otherwise."""
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
    """Score the centre square (the paper's way), not the label at its own size."""
    size: Annotated[int, Range(1, 65536)] | Literal["full"] | None = None
    """Shorter side of the pictures that are scored, in pixels, or ``full`` for their own; the
    network is given more than 768 x 768 pixels in tiles. ``data.size`` unless given. Where
    training crops are parts of pictures, things in them are larger than in whole pictures of the
    same size; scoring and answering at a larger one mends that (Touvron et al., "Fixing the
    train-test resolution discrepancy", 2019). Predictions take this size too."""
    flip: bool = False
    """Average the network's probabilities with those for the mirrored picture, left and right
    exchanged. Predictions do so too, as for the next."""
    scales: tuple[Positive, ...] = (1.0,)
    """Average its probabilities over views of these factors of ``size``."""
    boundary: bool = False
    """Score the pixels near edges too (boundary IoU), which costs time: the edges of every
    picture's label and answer are found."""
    decode: Decode = "tree"
    """How each pixel is decided, once for all depths and data sets; predictions decide so too.
    ``tree``: from the root down, of the groups below the last one the most probable. ``leaves``:
    the most probable leaf. ``height``: the leaf with the least expected height of the lowest common
    ancestor of answer and truth."""
    pictures: Count = 4
    """Pictures of each scored set whose answers are kept at each evaluation, in the run folder and
    by the trackers."""
