"""The keys of a config about its data sets: which, how they are mixed, how they are read."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from harmonize.config.augment_config import AugmentConfig
from harmonize.config.schema import Fraction, PositiveInt, Range, Share

Weight = Annotated[float, Range(0, 1e6, above=True)]


@dataclass(frozen=True)
class DatasetEntry:
    """One data set of a run."""

    spec: str
    """The mapping: a YAML file."""
    train: str | None = None
    """The split that is trained on; none for a set that is only evaluated."""
    evaluate: str | None = None
    """The split that is scored; none to skip it."""
    weight: Weight = 1.0
    """Share of the training samples, relative to the other sets; see ``mix`` for what else it can
    be relative to."""
    augment: AugmentConfig | None = None
    """Keys that take the place of those of the run's ``augment`` for this set; it has the others
    too."""
    size: Annotated[int, Range(1, 65536)] | None = None
    """This set's own ``data.size``, at most as large: its crops are padded with void pixels at the
    bottom and the right, and it is scored at this size unless ``evaluate.size`` is given."""
    override: dict[str, Any] = field(default_factory=dict[str, Any])
    """Keys of the mapping to replace, by dotted path: ``{label: "masks/{id}.png"}``."""
    take: Share | tuple[Fraction, Share] | None = None
    """Part of the training pictures, in a random order that depends on the run's seed and on their
    number alone: the first quarter (0.25), or from one place to another ([0.25, 1.0])."""
    max_depth: PositiveInt | dict[str, PositiveInt] | None = None
    """Depth that training labels are coarsened to; scoring takes them as they are. With
    ``ontologies`` by the name of a tree: ``{scene: 1}``."""

    def depth_in(self, tree: str) -> int | None:
        """Return the depth that training labels are coarsened to in a tree, if they are."""
        if isinstance(self.max_depth, dict):
            return self.max_depth.get(tree)
        return self.max_depth

    @property
    def part(self) -> tuple[float, float]:
        """Where in the random order the pictures that are trained on begin and end."""
        if self.take is None:
            return 0.0, 1.0
        return self.take if isinstance(self.take, tuple) else (0.0, self.take)


@dataclass(frozen=True)
class MixConfig:
    """How many samples come from each data set."""

    by: Literal["weight", "pictures", "sqrt", "temperature", "pixels"] = "weight"
    """What the share of a set's samples is in proportion to, multiplied by its ``weight``: nothing
    else (``weight``), the number of its training ``pictures``, the square root (``sqrt``) or
    another root of that number (``temperature``), or its labelled ``pixels``."""
    temperature: Annotated[float, Range(1, 1000)] | None = None
    """T of ``by: temperature``, shares of pictures ** (1 / T): 1 is ``pictures``, 2 is ``sqrt``,
    more comes close to equal shares."""
    to: dict[str, Annotated[float, Range(0, 1e6, above=True)]] = field(
        default_factory=dict[str, float]
    )
    """Weights at the end of the run, by data set: the shares change evenly from those of the sets'
    own ``weight`` at its start. A set that is not named keeps its weight."""


@dataclass(frozen=True)
class DataConfig:
    """How pictures are read and batched."""

    size: Annotated[int, Range(1, 65536)] = 256
    """Side of the square training crops, and of the shorter side when evaluating, in pixels."""
    batch_size: Annotated[int, Range(1, 1_000_000)] = 16
    """Pictures per optimizer step, over all processes and accumulation parts."""
    workers: Annotated[int, Range(0, 256)] = 2
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
    """Folder, archive or address of each data set by name; otherwise ``$HARMONIZE_DATA/<name>``,
    then the mapping's ``root``."""
