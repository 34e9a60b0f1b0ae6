"""The encodings of labels by the name that mappings use."""

from harmonize.labels.coco_encodings import Coco, CocoPanoptic
from harmonize.labels.cvat_encoding import Cvat
from harmonize.labels.encoding import Encoding
from harmonize.labels.label_studio_encoding import LabelStudio
from harmonize.labels.labelme_encoding import LabelMe
from harmonize.labels.mask_encodings import Masks, SoftMasks
from harmonize.labels.number_encodings import Ids, Rgb
from harmonize.labels.polygon_encodings import Yolo
from harmonize.labels.supervisely_encoding import Supervisely

ENCODINGS: dict[str, Encoding] = {
    "ids": Ids(),
    "rgb": Rgb(),
    "soft_masks": SoftMasks(),
    "masks": Masks(),
    "yolo": Yolo(),
    "coco": Coco(),
    "coco_panoptic": CocoPanoptic(),
    "labelme": LabelMe(),
    "cvat": Cvat(),
    "label_studio": LabelStudio(),
    "supervisely": Supervisely(),
}
