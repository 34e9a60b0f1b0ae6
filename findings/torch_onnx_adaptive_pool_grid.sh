#!/usr/bin/env bash
# One would guess: a network exported to ONNX by torch.onnx.export(dynamo=True), with height and
#   width declared dynamic, answers any size as it does in PyTorch, or is refused. AdaptiveAvgPool2d(3),
#   as in the pyramids of PSPNet and UPerNet, averages over 3 x 3 cells whatever the size.
# What happens: it is exported without a complaint as a pool with the kernel of the example's size.
#   Where that size is a multiple of the grid, pictures of other sizes get another grid: 6 x 6 cells
#   for twice the example's sides. Where it is not, larger pictures raise an error in onnxruntime.
#   A grid of one cell, a global average, is right.
# Versions: torch 2.14.1, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
# Seen, traced at 12 x 15: at 24 x 30 the grid of 3 x 3 has 6 x 6 cells, and onnxruntime refuses that
#   of 2 x 2 ("invalid index found"); both are right at 12 x 15.
# Why it matters: the check at the example's size passes. Pictures are a multiple of the example's
#   size as a rule, and a layer that scales the cells up again hides the wrong grid. Write the average
#   over cells as a product of matrices before exporting, and compare at several sizes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import onnxruntime
import torch
from torch.export import Dim

options = onnxruntime.SessionOptions()
options.log_severity_level = 4


def answers(cells):
    """Return what a pool over so many cells a side gives, by the size of the picture."""
    pool = torch.nn.AdaptiveAvgPool2d(cells).eval()
    sides = {2: Dim("height", min=4, max=4096), 3: Dim("width", min=4, max=4096)}
    example = (torch.randn(1, 1, 12, 15),)
    program = torch.onnx.export(
        pool, example, dynamo=True, dynamic_shapes=(sides,), verbose=False
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)
    (given,) = session.get_inputs()
    found = {}
    for size in ((12, 15), (24, 30)):
        picture = torch.randn(1, 1, *size)
        try:
            (answer,) = session.run(None, {given.name: picture.numpy()})
        except Exception as error:
            found[size] = "error: invalid index" if "invalid index" in str(error) else str(error)
            continue
        right = pool(picture).numpy()
        same = answer.shape == right.shape and np.allclose(answer, right, atol=1e-5)
        found[size] = "right" if same else f"{answer.shape[2]} x {answer.shape[3]} cells"
    return found


print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
seen = {cells: answers(cells) for cells in (1, 2, 3)}
for cells, found in seen.items():
    print(f"{cells} x {cells} cells, traced at 12 x 15:", found)
small, large = (12, 15), (24, 30)
expected = {
    1: {small: "right", large: "right"},
    2: {small: "right", large: "error: invalid index"},
    3: {small: "right", large: "6 x 6 cells"},
}
if seen != expected:
    sys.exit("CHANGED: expected another grid at another size, or an error, and no word at export")
print("as documented: an adaptive pool is exported for the size of the example")
PY
