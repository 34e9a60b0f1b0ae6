#!/usr/bin/env bash
# One would guess: a mask that supervision writes as COCO JSON is the same mask in pycocotools.
# What happens: supervision writes a polygon through the CENTRES of the border pixels (OpenCV's
#   convention); pycocotools reads polygons along the pixels' OUTER EDGES. A rectangle loses its
#   last row and column. supervision's reader hides that and enlarges others' polygons.
# Versions: supervision 0.31.2, pycocotools 2.0.11, opencv-python-headless 5.0.0.93.
# Seen: a 4x4 square ("area": 16 in the file) has 9 pixels in pycocotools, a 2x10 pole 9 of its 20;
#   supervision reads 16 and 20. COCO's own square of 16 pixels has 25 in supervision.
# Why it matters: thin classes (poles, wires, lane marks) lose or gain half of their pixels, always
#   on the same sides, so two data sets' labels of one class disagree systematically. Exchange RLE,
#   which leaves no such choice, and compare pixel counts after each conversion.
# Source: github.com/cocodataset/cocoapi/issues/659 (the convention of pycocotools).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    supervision==0.31.2 pycocotools==2.0.11 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import supervision
from pycocotools.coco import COCO

SIZE = 20
cv2.imwrite("street.png", np.zeros((SIZE, SIZE, 3), np.uint8))


def in_pycocotools(path):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
        return int(coco.annToMask(coco.loadAnns(coco.getAnnIds())[0]).sum())


def in_supervision(path):
    dataset = supervision.DetectionDataset.from_coco(".", path, force_masks=True)
    ((_, _, detections),) = dataset
    return int(detections.mask.sum())


def written(name, mask):
    """Write a mask as COCO JSON; return its pixels, the file's area and the readers' pixels."""
    detections = supervision.Detections(
        xyxy=supervision.mask_to_xyxy(mask[None]), mask=mask[None], class_id=np.array([0])
    )
    dataset = supervision.DetectionDataset(
        classes=["pole"], images=["street.png"], annotations={"street.png": detections}
    )
    dataset.as_coco(annotations_path=f"{name}.json")
    (annotation,) = json.loads(Path(f"{name}.json").read_text())["annotations"]
    assert isinstance(annotation["segmentation"], list), "expected a polygon, not RLE"
    return (
        int(mask.sum()),
        int(annotation["area"]),
        in_supervision(f"{name}.json"),
        in_pycocotools(f"{name}.json"),
    )


square = np.zeros((SIZE, SIZE), bool)
square[5:9, 5:9] = True
pole = np.zeros((SIZE, SIZE), bool)
pole[5:15, 5:7] = True
seen = {"square": written("square", square), "pole": written("pole", pole)}

native = json.loads(Path("square.json").read_text())
native["annotations"][0]["segmentation"] = [[5, 5, 9, 5, 9, 9, 5, 9]]
Path("native.json").write_text(json.dumps(native))
other_way = (in_pycocotools("native.json"), in_supervision("native.json"))

print("supervision", version("supervision"), "pycocotools", version("pycocotools"))
for name, (pixels, area, own, coco) in seen.items():
    print(f"{name}: {pixels}, as area {area}, in supervision {own}, in pycocotools {coco}")
print(f"COCO's own square: in pycocotools {other_way[0]}, in supervision {other_way[1]}")
if seen != {"square": (16, 16, 16, 9), "pole": (20, 20, 20, 9)} or other_way != (16, 25):
    sys.exit("CHANGED: expected square (16, 16, 16, 9), pole (20, 20, 20, 9), other way (16, 25)")
print("as documented: the exported polygons lose a row and a column in pycocotools")
PY
