"""Train one segmentation network on data sets that disagree about their labels."""

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
