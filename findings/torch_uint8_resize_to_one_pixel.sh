#!/usr/bin/env bash
# One would guess: a picture of bytes can be reduced to any size, 1 x 1 included, and the layout of
#   its memory changes nothing but the speed.
# What happens: interpolate(mode="bilinear", antialias=True) to 1 x 1 of a contiguous picture of
#   three bands ends with an internal assertion of PyTorch, on CPUs with AVX2. The same picture with
#   the bands of a pixel together, one or four bands, 1 x 2 pixels, and floats are all taken.
#   torchvision's resize, which calls it, ends likewise.
# Versions: torch 2.14.1, torchvision 0.29.1.
# Seen: "planes: RuntimeError, num_channels == unpacked_output.size(0) INTERNAL ASSERT FAILED",
#   "pixels: 127", "planes, 1 x 2: 127 127", "planes of floats: 127".
# Why it matters: the mean colour of a thumbnail is commonly got so; what reads with PIL works, what
#   reads with torchvision.io does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cat >"$folder/one_pixel.py" <<'PY'
import sys

import torch
import torchvision
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import resize

print("torch", torch.__version__, "torchvision", torchvision.__version__)
if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
    sys.exit("not tried: this CPU has no AVX2")
planes = torch.full((1, 3, 8, 8), 127, dtype=torch.uint8)
pixels = planes.to(memory_format=torch.channels_last)


def one(picture, size=(1, 1)):
    """Return the colours of the first band, or what went wrong."""
    try:
        found = interpolate(picture, size, mode="bilinear", antialias=True)
    except RuntimeError as error:
        return "RuntimeError, " + str(error).split(" at ")[0]
    return " ".join(str(int(value)) for value in found[0, 0].flatten())


failed = "RuntimeError, num_channels == unpacked_output.size(0) INTERNAL ASSERT FAILED"
seen = {
    "planes": one(planes),
    "pixels": one(pixels),
    "planes, 1 x 2": one(planes, (1, 2)),
    "planes of floats": one(planes.float()),
    "planes of four bands": one(torch.cat([planes, planes[:, :1]], 1)),
}
for name, result in seen.items():
    print(f"{name}: {result}")
try:
    resize(planes, [1, 1], antialias=True)
    by_torchvision = "taken"
except RuntimeError:
    by_torchvision = "RuntimeError"
print("torchvision's resize of planes:", by_torchvision)
if [*seen.values(), by_torchvision] != [failed, "127", "127 127", "127", "127", "RuntimeError"]:
    sys.exit("CHANGED: expected that planes of three bands alone cannot become one pixel")
PY
"$folder/venv/bin/python" -W ignore "$folder/one_pixel.py"
echo "as documented: three planes of bytes cannot be reduced to one pixel"
