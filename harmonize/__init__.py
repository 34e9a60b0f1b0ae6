"""Train one segmentation network on data sets that disagree about their labels."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harmonize.api.answer import Answer
    from harmonize.api.own_loop import loader, loss_for
    from harmonize.api.run import Run
    from harmonize.api.training import train
    from harmonize.config.run_config import RunConfig, find_file
    from harmonize.errors import HarmonizeError
    from harmonize.labels.dataset_spec import DatasetSpec
    from harmonize.labels.ontology import Ontology
    from harmonize.labels.target_space import TargetSpace
    from harmonize.loss.hierarchical import HierarchicalLoss
    from harmonize.models.unet import UNet
    from harmonize.training.callbacks import Progress

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "DatasetSpec",
    "HarmonizeError",
    "HierarchicalLoss",
    "Ontology",
    "Progress",
    "Run",
    "RunConfig",
    "TargetSpace",
    "UNet",
    "find_file",
    "loader",
    "loss_for",
    "train",
]
_MODULES = {
    "Answer": "api.answer",
    "DatasetSpec": "labels.dataset_spec",
    "HarmonizeError": "errors",
    "HierarchicalLoss": "loss.hierarchical",
    "Ontology": "labels.ontology",
    "Progress": "training.callbacks",
    "Run": "api.run",
    "RunConfig": "config.run_config",
    "TargetSpace": "labels.target_space",
    "UNet": "models.unet",
    "find_file": "config.run_config",
    "loader": "api.own_loop",
    "loss_for": "api.own_loop",
    "train": "api.training",
}
"""Where each name comes from; imported at its first use, since torch takes seconds."""


if not TYPE_CHECKING:  # a type checker knows the names from above, and no others

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
