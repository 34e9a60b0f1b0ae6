#!/usr/bin/env bash
# One would guess: Downscale, one of the "pixel-level" transforms that leave masks alone, makes a
#   picture coarser and leaves everything in its place.
# What happens: by default the picture's content moves right and down by half a block less half a
#   pixel: the nearest neighbour of OpenCV keeps the first pixel of each block. The mask stays.
# Version: albumentations 2.0.8 with opencv-python-headless 5.0.0.93.
# Seen, at the default scale of 0.25: columns 0, 1, ... 15 become 0,0,0,0, 4,4,4,4, 8,8,8,8,
#   12,12,12,12 (mean 6.0, was 7.5); a box over columns 17 to 40 is over 20 to 43 in the picture and
#   over 17 to 40 in the mask. With cv2.INTER_AREA for the way down the mean stays 7.5.
# Why it matters: it teaches that objects begin before they are seen, always on the same side, most
#   for thin ones. Give interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": ...}.
# Source: seen by running it; the project's issue 850 is about the same filter in Resize.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    albumentations==2.0.8 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import albumentations
import cv2
import numpy as np


def downscaled(row, **settings):
    """Return the picture's row and the mask's row after Downscale to a quarter and back."""
    mask = np.tile(np.asarray(row, np.uint8), (len(row), 1))
    transform = albumentations.Compose([albumentations.Downscale(p=1, **settings)])
    out = transform(image=np.repeat(mask[..., None], 3, axis=2), mask=mask)
    return out["image"][0, :, 0].tolist(), out["mask"][0].tolist()


ramp = list(range(0, 256, 16))  # the grey value over 16 is the column
picture, mask = downscaled(ramp)
area, _ = downscaled(
    ramp, interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_NEAREST}
)
box = [int(17 <= column <= 40) for column in range(64)]
box_picture, box_mask = downscaled(box)
spans = [(int(np.flatnonzero(r)[0]), int(np.flatnonzero(r)[-1])) for r in (box_picture, box_mask)]

print("albumentations", albumentations.__version__, "OpenCV", cv2.__version__)
for name, row in (("default", picture), ("INTER_AREA down", area)):
    print(f"{name}: columns {[value / 16 for value in row]}, mean {np.mean(row) / 16}")
print("box: columns", spans[0], "in the picture,", spans[1], "in the mask")
if (
    picture != [0] * 4 + [64] * 4 + [128] * 4 + [192] * 4
    or mask != ramp
    or np.mean(area) != np.mean(ramp)
    or spans != [(20, 43), (17, 40)]
):
    sys.exit("CHANGED: expected the picture 1.5 pixels to the right of its mask by default")
print("as documented: the picture moved against its mask")
PY
