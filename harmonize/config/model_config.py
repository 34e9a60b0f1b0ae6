"""The keys of a config about its network."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from harmonize.config.channels import RGB
from harmonize.config.schema import Count, NonNegative, PositiveInt, Range


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "unet"
    """``unet``; with an ``encoder`` a decoder of segmentation-models-pytorch, such as ``fpn``; a
    segmentation network of torchvision, such as ``deeplabv3_resnet50``; of transformers, such as
    ``transformers/segformer``; or a function of one's own, ``package.module:function``, which is
    called with the number of leaves and ``args`` and returns a module."""
    encoder: str | None = None
    """An encoder of timm, such as ``resnet50``."""
    weights: str | None = None
    """Pretrained weights: a file (.safetensors or .pth), ``package:NAME`` of an installed package,
    or ``hub`` to download them. For a network of transformers, a local folder."""
    weights_partial: bool = False
    """Take weights of which only some fit."""
    channels: Annotated[int, Range(1, 65536)] | tuple[str, ...] = 3
    """Bands of a picture: their names, such as ``[red, green, blue, nir]``, which ``channels`` of
    the mappings say where to find; 3 are red, green and blue. A band that a data set does not have
    is filled with zeros after normalisation."""
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further arguments of the network's own code: ``{decoder_channels: [128, 64, 32, 16, 8]}``."""
    width: Annotated[int, Range(1, 65536)] | None = None
    """Channels of the first level (64 unless given) of ``unet`` without an encoder; the fifth has
    16 times as many."""
    norm: Literal["batch", "group", "batch_per_dataset"] = "batch"
    """Normalisation: ``batch`` (synchronised across GPUs), ``group``, or ``batch_per_dataset``:
    batch norm with a mean and variance for each data set, for sets whose pictures look
    different."""
    freeze: Literal["none", "encoder"] | PositiveInt = "none"
    """Parts of the network that are not trained, and whose batch norm keeps its statistics: the
    whole ``encoder``, or so many of its stages, counted from the input."""
    freeze_statistics: bool = False
    """Keep the running mean and variance of every batch norm as they are; its scale and shift are
    trained all the same. For small batches and a pretrained network."""
    auxiliary: NonNegative = 0.4
    """Weight in training of the loss at each further output of a network that has some."""
    checkpointing: bool = False
    """Compute the encoder's activations anew in the backward pass: less memory, slower steps."""
    shard: bool = False
    """Share the weights and the optimizer's state out over the processes of a training, which so
    needs less memory in each (FSDP2); the result is the same. One process is as without it."""
    stride: PositiveInt | None = None
    """What the sides of pictures are padded to multiples of; found by trying unless given."""
    reach: Count | None = None
    """Pixels further off change no logit; measured when it is needed unless given."""

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of a picture's bands; none where their number alone is given."""
        if isinstance(self.channels, int):
            return RGB if self.channels == len(RGB) else ()
        return self.channels

    @property
    def num_channels(self) -> int:
        """The number of a picture's bands."""
        return self.channels if isinstance(self.channels, int) else len(self.channels)

    @property
    def title(self) -> str:
        """What the network is called in messages."""
        return self.name if self.encoder is None else f"{self.name} upon {self.encoder}"
