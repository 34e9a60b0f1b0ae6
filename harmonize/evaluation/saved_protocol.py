"""What a protocol says of several data sets: as a file keeps it, and as a table of text."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from harmonize.config.schema import Fraction, Range

Share = Fraction | None
ProtocolName = Literal["mseg", "rvc"]


@dataclass(frozen=True)
class ProtocolSet:
    """One data set under a protocol."""

    trained_on: bool
    """Whether the network was trained on it."""
    split: str
    """That was scored."""
    classes: Annotated[int, Range(0, 1e12)]
    """That the mean IoU is over: those in truth or answer, also such as nothing answers."""
    mean_iou: Share
    """Over these; null where one class is scored alone."""
    mean_iou_interval: tuple[Fraction, Fraction] | None = None
    """Its 95 % interval over pictures."""
    no_counterpart: dict[str, str] = field(default_factory=dict[str, str])
    """Classes that nothing answers, each with the reason; where they occur their IoU is 0."""
    approximate: dict[str, str] = field(default_factory=dict[str, str])
    """Classes that overlap others or are answered by other leaves than they mean, and how."""


@dataclass(frozen=True)
class SavedProtocol:
    """The scores of several data sets by one protocol."""

    name: ProtocolName
    """``mseg`` or ``rvc``."""
    sets: dict[str, ProtocolSet]
    """By name."""
    harmonic_mean: Share = None
    """Of ``mseg``: of the mean IoU of the sets that were not trained on."""
    harmonic_mean_interval: tuple[Fraction, Fraction] | None = None
    """Its 95 % interval over pictures."""
    missing: tuple[str, ...] = ()
    """The protocol's published sets that are not among these."""


def draw_protocol(title: str, saved: SavedProtocol) -> str:
    """Draw a table of the data sets, and below it what is to be known of them."""
    names = {name: f"{name}, {one.split}" for name, one in saved.sets.items()}
    unseen = sum(not one.trained_on for one in saved.sets.values())
    mean = f"harmonic mean of {unseen} not trained on"
    width = max(map(len, (mean, *names.values())))
    rule = "-" * (width + 29)
    rows = [title, rule, f"{'':<{width}}  trained on  classes  mean IoU"]
    for name, one in saved.sets.items():
        trained = "yes" if one.trained_on else "no"
        score = _percent(one.mean_iou, one.mean_iou_interval)
        rows.append(f"{names[name]:<{width}}  {trained:<10}  {one.classes:>7}  {score}")
    rows.append(rule)
    if saved.name == "mseg":
        score = _percent(saved.harmonic_mean, saved.harmonic_mean_interval)
        rows.append(f"{mean:<{width}}  {'':<10}  {'':>7}  {score}")
    else:
        rows.append("ranks are not given: they need the scores of other entrants")
    for name, one in saved.sets.items():
        rows += [f"{name}: no counterpart: {key}, {why}" for key, why in one.no_counterpart.items()]
        rows += [f"{name}: approximate: {key}, {how}" for key, how in one.approximate.items()]
    if saved.missing:
        rows.append(f"of the published sets not scored: {', '.join(saved.missing)}")
    return "\n".join(rows)


def _percent(value: float | None, interval: tuple[float, float] | None) -> str:
    """Write a mean IoU and its interval in percent."""
    shown = "       -" if value is None else f"{100 * value:8.2f}"
    if interval is None or value is None:
        return shown
    return f"{shown}  [{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]"
