"""Train from Python, as ``harmonize train`` does."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from harmonize.api.own_loop import Config, as_config
from harmonize.api.run import Run
from harmonize.pipeline.train import train as train_config
from harmonize.training.callbacks import Callback


def train(
    config: Config,
    *,
    overrides: Iterable[str] = (),
    model: nn.Module | None = None,
    callbacks: Iterable[Callback] = (),
    name: str | None = None,
) -> Run:
    """Train a network as a config says, and open the run.

    Args:
        config: a config, its values as in YAML, or a YAML file.
        overrides: changes, such as ``train.steps=100``.
        model: a network of one's own in place of the config's: pictures (B, C, H, W), normalised by
            ImageNet's mean and deviation, to logits (B, leaves, h, w) of the pictures' size or
            smaller.
        callbacks: each is called with every line of metrics; see ``Progress``.
        name: of the run folder below ``runs`` if the config has no ``output``; that of the config's
            file unless given.

    Raises:
        HarmonizeError: anything in the config, its files or its data that can be mended.
        SystemExit: Ctrl-C or SIGTERM; the run is saved first.
    """
    if name is None:
        name = Path(config).stem if isinstance(config, str | Path) else "run"
    folder = train_config(
        as_config(config, overrides), name=name, model=model, callbacks=tuple(callbacks)
    )
    return Run.open(folder, model=model, trust_code=True)
