"""Train one segmentation network on data sets that disagree about their labels."""

from harmonize.errors import HarmonizeError
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.models.unet import UNet
from harmonize.ontology import Ontology
from harmonize.spec import DatasetSpec
from harmonize.targets import TargetSpace

__all__ = [
    "DatasetSpec",
    "HarmonizeError",
    "HierarchicalLoss",
    "Ontology",
    "TargetSpace",
    "UNet",
]
