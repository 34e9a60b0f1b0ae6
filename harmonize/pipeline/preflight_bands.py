"""Whether the bands that a network takes are those that data sets have, and what each one lacks."""

from collections.abc import Iterator

from harmonize.config.augment_config import AugmentConfig
from harmonize.config.channels import RGB
from harmonize.config.run_config import RunConfig
from harmonize.errors import near_matches
from harmonize.labels.sources import Sources
from harmonize.pictures.banded import missing_bands
from harmonize.system.once import warn_once


def check_bands(config: RunConfig, sources: Sources) -> list[str]:
    """Return what is wrong with the bands of a run, and say once which ones a data set lacks."""
    names = config.model.bands
    if not names:
        return []
    problems: list[str] = []
    specs = {spec.name: spec for spec in sources.specs}
    own = {
        name: [channel.name for channel in spec.channels] or list(RGB)
        for name, spec in specs.items()
    }
    taught = {band for name in sources.trained_names for band in own[name]}
    problems += [
        f"model.channels: no data set that is trained on has a band {name!r}; "
        f"{near_matches(name, taught)}"
        for name in names
        if name not in taught
    ]
    for name, spec in specs.items():
        lacking = missing_bands(spec.channels, names)
        if len(lacking) == len(names):
            problems.append(
                f"{spec.document.where(('channels',))}: {name} has none of the bands "
                f"{', '.join(names)} of model.channels, but {', '.join(own[name])}"
            )
        elif lacking:
            warn_once(
                f"note: {name} has no band {', '.join(lacking)}; zeros stand for it after "
                "normalisation"
            )
    return problems + list(_about_colors(config, sources))


def _about_colors(config: RunConfig, sources: Sources) -> Iterator[str]:
    """Say which changes to colours a set cannot have, as its bands are no colours."""
    plain = config.model.bands == RGB
    styles: set[str] = set()
    entries = [(entry, spec) for entry, spec in sources.trained if entry.train]
    for entry, _ in entries:
        augment = config.augment if entry.augment is None else entry.augment
        if augment.style and augment.style_of is not None:
            styles.add(augment.style_of)
    for entry, spec in entries:
        if plain and not spec.channels:
            continue
        augment = config.augment if entry.augment is None else entry.augment
        for key in ("gamma", "grey", "style"):
            if getattr(augment, key) != getattr(AugmentConfig, key):
                yield (
                    f"augment.{key}: changes colours of 8 bits, and the bands of {spec.name} are "
                    f"none; give the set augment: {{{key}: {getattr(AugmentConfig, key):g}}}"
                )
        if spec.name in styles:
            yield f"augment.style_of: the bands of {spec.name} are no colours of 8 bits"
