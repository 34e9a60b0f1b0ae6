"""The encodings of labels by the name that mappings use."""

from harmonize.labels.encoding import Encoding
from harmonize.labels.mask_encodings import Masks, SoftMasks
from harmonize.labels.number_encodings import Ids, Rgb

ENCODINGS: dict[str, Encoding] = {
    "ids": Ids(),
    "rgb": Rgb(),
    "soft_masks": SoftMasks(),
    "masks": Masks(),
}
