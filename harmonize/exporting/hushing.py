"""Silence while PyTorch's exporters work."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep what PyTorch's exporter says of itself from the user.

    It logs and warns, and prints the whole graph to the standard error before it fails.
    """
    loggers = [logging.getLogger(name) for name in ("torch", "torch.export", "torch.onnx")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
