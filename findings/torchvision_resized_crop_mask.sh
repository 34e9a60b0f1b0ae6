#!/usr/bin/env bash
# One would guess: v2.RandomResizedCrop treats a mask as v2.Resize does. Both take the setting
#   interpolation=NEAREST_EXACT, which samples the middle of each block, and v2.Resize honours it.
# What happens: v2.RandomResizedCrop uses plain NEAREST for masks whatever it is given, and so keeps
#   the first label of each block, while the picture follows the setting.
# Versions: torchvision 0.29.1, torch 2.14.1.
# Seen, 16 columns to 4: Resize gives picture 2,6,10,14 and mask 2,6,10,14; RandomResizedCrop over
#   the whole picture gives picture 2,6,10,14 and mask 0,4,8,12.
# Why it matters: the labels of every shrunk crop move against the picture (2 columns here, about
#   half a block in general), all the same way, in training only: validation with Resize is right.
#   Use RandomCrop, then Resize with NEAREST_EXACT.
# Source: github.com/pytorch/vision/issues/9188 and pull request 9497, which mended Resize alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
import torchvision
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

columns = torch.arange(16, dtype=torch.uint8).repeat(16, 1)
sample = {"picture": tv_tensors.Image(columns[None]), "mask": tv_tensors.Mask(columns)}
exact = InterpolationMode.NEAREST_EXACT
transforms = {
    "Resize": v2.Resize((4, 4), interpolation=exact),
    "RandomResizedCrop": v2.RandomResizedCrop(
        (4, 4), scale=(1, 1), ratio=(1, 1), interpolation=exact
    ),
}
print("torchvision", torchvision.__version__, "torch", torch.__version__)
seen = {}
for name, transform in transforms.items():
    out = transform(sample)
    seen[name] = (out["picture"][0, 0].tolist(), out["mask"][0].tolist())
    print(f"{name}: picture {seen[name][0]}, mask {seen[name][1]}")
middle, first = [2, 6, 10, 14], [0, 4, 8, 12]
if seen != {"Resize": (middle, middle), "RandomResizedCrop": (middle, first)}:
    sys.exit("CHANGED: expected RandomResizedCrop alone to keep the first label of each block")
print("as documented: RandomResizedCrop does not pass its interpolation on to masks")
PY
