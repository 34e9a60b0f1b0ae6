"""Build a network by its name."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import get_model, list_models, segmentation

from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.segmenter import Segmenter
from harmonize.models.unet import NORM_GROUPS, UNet

# Letters of shapes: B pictures, K leaves, H x W pixels.

DEFAULT_WIDTH = 64


def build_model(
    num_leaves: int,
    *,
    name: str = "unet",
    width: int | None = None,
    norm: Literal["batch", "group"] = "batch",
) -> Segmenter:
    """Build an untrained network: pictures (B, 3, H, W) of 0..255 to logits (B, K, H, W).

    Args:
        num_leaves: K.
        name: ``unet`` or a segmentation network of torchvision; nothing is downloaded.
        width: of the U-Net's first level; 64 unless given.
        norm: ``batch``, or ``group`` in place of every batch norm.

    Raises:
        HarmonizeError: an unknown name, or a width that the network cannot have.
    """
    if name == "unet":
        width = DEFAULT_WIDTH if width is None else width
        if norm == "group" and width % NORM_GROUPS:
            raise HarmonizeError(
                f"model.width: group norm needs a multiple of {NORM_GROUPS}, got {width}"
            )
        return Segmenter(UNet(num_leaves, width, norm=norm))
    names = list_models(module=segmentation)
    if name not in names:
        advice = near_matches(name, ["unet", *names])
        raise HarmonizeError(f"model.name: no network {name!r}; {advice}")
    if width is not None:
        raise HarmonizeError(f"model.width: belongs to unet, not to {name}; remove it")
    network = get_model(name, weights=None, weights_backbone=None, num_classes=num_leaves)
    if norm == "group":
        _replace_batch_norm(network)
    return Segmenter(TorchvisionLogits(network))


class TorchvisionLogits(nn.Module):
    """A segmentation network of torchvision that returns its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K H W"]:
        """Return one logit per leaf and pixel, for normalised pictures."""
        outputs: dict[str, Any] = self.network(pictures)
        return outputs["out"]


def _replace_batch_norm(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(NORM_GROUPS, child.num_features))
        else:
            _replace_batch_norm(child)
