#!/usr/bin/env bash
# One would guess: a network of timm that takes any picture whose sides are multiples of 32 is exported
#   by torch.export once a module pads pictures to such multiples, whichever family it is of; and an
#   export that fails raises an error, which a caller may catch to try something else.
# What happens: networks with weights from TensorFlow (tf_efficientnet*, tf_mobilenetv3*; padding
#   "same") work out the padding of each strided layer from the size of its input, ceil(x / s) and so
#   on. For a multiple of the stride it is the same number always, but the exporter does not know
#   that, and gives up: "Could not guard on data-dependent expression". The same network with PyTorch's
#   padding is exported. Before the error is raised the whole graph is printed to the standard error,
#   around a megabyte, also where the error is caught, and no logging level keeps it back.
# Versions: torch 2.14.1, torchvision 0.29.1, timm 1.0.31.
# Seen: mobilenetv3_small_100 is exported in silence; tf_mobilenetv3_small_100 is refused after a
#   million characters.
# Why it matters: the small encoders that people take for phones and browsers are of this family.
#   Have get_same_padding return max((kernel - 1) * dilation + 1 - stride, 0) while it is exported, and
#   redirect the standard error around attempts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
import sys

import timm
import torch
from torch.export import Dim, export


class PaddedTo32(torch.nn.Module):
    """Repeats the last row and column up to a multiple of 32."""

    def __init__(self, name):
        super().__init__()
        self.network = timm.create_model(name, features_only=True, pretrained=False).eval()

    def forward(self, pictures):
        sides = [torch.scalar_tensor(side, dtype=torch.float64) for side in pictures.shape[-2:]]
        rows, columns = ((torch.stack(sides) / 32).ceil() * 32).long().unbind()
        rows, columns = rows.item(), columns.item()
        torch._check(rows >= 64)
        torch._check(columns >= 64)
        down = torch.arange(rows).clamp(max=pictures.shape[-2] - 1)
        right = torch.arange(columns).clamp(max=pictures.shape[-1] - 1)
        return self.network(pictures.index_select(2, down).index_select(3, right))[-1]


def attempt(name):
    """Return what exporting a network comes to, and how many characters are printed."""
    any_size = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), torch.no_grad():
            export(PaddedTo32(name), (torch.zeros(2, 3, 70, 90),), dynamic_shapes=(any_size,))
    except Exception as error:
        return type(error).__name__, len(printed.getvalue())
    return "exported", len(printed.getvalue())


print("torch", torch.__version__, "timm", timm.__version__)
plain, same = attempt("mobilenetv3_small_100"), attempt("tf_mobilenetv3_small_100")
print("mobilenetv3_small_100:", *plain, "characters on the standard error")
print("tf_mobilenetv3_small_100:", *same, "characters on the standard error")
if plain[0] != "exported" or same[0] == "exported" or plain[1] > 1000 or same[1] < 100_000:
    sys.exit("CHANGED: expected the second to be refused, after printing its graph")
print("as documented: padding that is always the same is refused, and a graph is printed")
PY
