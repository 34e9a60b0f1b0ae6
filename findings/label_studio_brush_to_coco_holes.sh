#!/usr/bin/env bash
# One would guess: a mask that is exported from Label Studio as COCO JSON is the mask that was
#   painted, but for the corners of its polygons.
# What happens: the converter keeps only the OUTER contour of each part (OpenCV's RETR_EXTERNAL), so
#   holes are filled; parts whose contour has fewer than 3 points, which every straight line of one
#   pixel's width has, are dropped without a word; and its polygons go through the CENTRES of border
#   pixels, which pycocotools reads as edges, so that the last row and column are lost. `area` in
#   the file is that of the polygon with its hole filled.
# Versions: label-studio-sdk 2.1.2, pycocotools 2.0.11, opencv-python-headless 4.12.0.88.
# Seen: a square of 10 x 10 pixels has 100 and comes back with 81; a ring of 10 x 10 with a hole of
#   6 x 6 has 64 and comes back with 81, its hole filled; a pole of 1 x 12 comes back with none, and
#   there is no annotation of it at all. The tool's own brush format holds 100, 64 and 12.
# Why it matters: rings, fences, roads around islands and everything seen through something else
#   become solid, and thin classes (poles, wires, vessels) vanish from the set. Export JSON and read
#   the brush's runs, or the PNG export, which are exact.
# Source: label_studio_sdk/converter/exports/brush_to_coco.py, generate_contour_from_rle; no report
#   of it was found (label-studio-sdk's pull request 478 is about one mask becoming several).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    label-studio-sdk==2.1.2 pycocotools==2.0.11 opencv-python-headless==4.12.0.88 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from label_studio_sdk.converter import brush
from label_studio_sdk.converter.exports import brush_to_coco
from pycocotools import mask as mask_tools

SIZE = 20


def counts(mask):
    """Return the pixels painted, in the brush's own runs, in the COCO export, and its polygons."""
    runs = brush.mask2rle(mask.astype(np.uint8) * 255)
    own = brush.decode_rle(runs).reshape(SIZE, SIZE, 4)[..., 3] > 0
    polygons, _, areas = brush_to_coco.generate_contour_from_rle(bytes(runs), SIZE, SIZE)
    exported = 0
    if polygons:
        merged = mask_tools.merge(mask_tools.frPyObjects(polygons, SIZE, SIZE))
        exported = int(mask_tools.area(merged))
    return int(mask.sum()), int(own.sum()), exported, [int(area) for area in areas]


square = np.zeros((SIZE, SIZE), bool)
square[5:15, 5:15] = True
ring = square.copy()
ring[7:13, 7:13] = False
pole = np.zeros((SIZE, SIZE), bool)
pole[4:16, 9] = True
seen = {"square": counts(square), "ring": counts(ring), "pole": counts(pole)}
print("label-studio-sdk", version("label-studio-sdk"), "pycocotools", version("pycocotools"))
for name, (painted, own, exported, areas) in seen.items():
    print(f"{name:6} painted {painted:3}, brush's runs {own:3}, COCO {exported:3}, areas {areas}")
expected = {"square": (100, 100, 81, [81]), "ring": (64, 64, 81, [81]), "pole": (12, 12, 0, [])}
if version("label-studio-sdk") != "2.1.2" or seen != expected:
    sys.exit(f"CHANGED: expected {expected}")
print("as documented: holes are filled, thin parts are dropped, a row and a column are lost")
PY
