"""Train one segmentation network on data sets that disagree about their labels."""

from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.models.unet import UNet

__all__ = [
    "DatasetSpec",
    "HarmonizeError",
    "HierarchicalLoss",
    "Ontology",
    "TargetSpace",
    "UNet",
]
