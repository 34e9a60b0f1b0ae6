#!/usr/bin/env bash
# One would guess: a polygon of a COCO file covers the same pixels whether the file is rasterised by
#   pycocotools or imported by Datumaro and turned into masks by its transform polygons_to_masks,
#   which calls pycocotools itself.
# What happens: Datumaro keeps corners as float32, so that 3.7 becomes 3.700000048. pycocotools
#   multiplies corners by 5 and rounds; corners with one decimal, as tools write them, often lie just
#   between two of its steps, and go to the other one. Edges move, and with them pixels.
# Versions: datumaro 1.13.12, pycocotools 2.0.11.
# Seen: one polygon of four corners in a picture of 20 x 20: 119 pixels by COCO.annToMask, 120 by
#   Datumaro, 7 of them not the same.
# Why it matters: masks made by the one do not equal masks made by the other, by a few pixels along
#   edges of many objects; a test for equal labels fails, and nothing says why.
# Source: seen by running it; no report of it was found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    datumaro==1.13.12 pycocotools==2.0.11 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
import json
import sys
from pathlib import Path

import datumaro
import numpy as np
from datumaro import AnnotationType, Dataset
from PIL import Image
from pycocotools.coco import COCO

CORNERS = [3.7, 2.3, 15.9, 4.1, 12.7, 16.3, 5.1, 13.9]
SIDE = 20

Path("set/annotations").mkdir(parents=True)
Path("set/images/all").mkdir(parents=True)
Image.new("RGB", (SIDE, SIDE)).save("set/images/all/a.png")
annotations = Path("set/annotations/instances_all.json")
annotations.write_text(
    json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.png", "width": SIDE, "height": SIDE}],
            "categories": [{"id": 1, "name": "car"}],
            "annotations": [
                {
                    "id": 1,
                    "image_id": 1,
                    "category_id": 1,
                    "segmentation": [CORNERS],
                    "iscrowd": 0,
                    "area": 119,
                    "bbox": [3.7, 2.3, 12.2, 14],
                }
            ],
        }
    )
)
with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO(annotations)
expected = coco.annToMask(coco.anns[1]).astype(bool)

imported = Dataset.import_from("set", "coco_instances")
(polygon,) = [
    one for item in imported for one in item.annotations if one.type == AnnotationType.polygon
]
(mask,) = [
    one.image.astype(bool)
    for item in imported.transform("polygons_to_masks")
    for one in item.annotations
    if one.type == AnnotationType.mask
]
differ = int((mask != expected).sum())
print("datumaro", datumaro.__version__)
print("corners:", [float(corner) for corner in polygon.points][:4])
print("pixels by pycocotools:", int(expected.sum()), "by datumaro:", int(mask.sum()))
print("not the same:", differ)
if differ != 7 or np.allclose(polygon.points, CORNERS, rtol=0, atol=1e-9):
    sys.exit("CHANGED: expected corners in float32 and 7 other pixels")
print("as documented: the masks differ")
PY
