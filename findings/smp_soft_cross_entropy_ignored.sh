#!/usr/bin/env bash
# One would guess: SoftCrossEntropyLoss(ignore_index=255) of segmentation_models_pytorch is torch's
#   cross entropy with smoothing: a mean over the labelled pixels, ignored ones change nothing.
# What happens: ignored pixels add 0 to the sum and still count in the mean: loss and gradient
#   shrink with the unlabelled share of a batch. The package's FocalLoss divides by labelled pixels.
# Versions: segmentation_models_pytorch 0.6.0, torch 2.14.1.
# Seen, 4 classes, equal logits (no smoothing, to compare): 1.386 = log 4 if all is labelled; with
#   3 of 4 pixels ignored, torch stays at 1.386, smp falls to 0.347 and its gradient to a quarter.
# Why it matters: sparsely labelled pictures, padded crops and data sets with large void areas are
#   learnt more slowly in proportion, and the losses of two data sets cannot be compared. Use
#   torch's loss, or reduction="sum" divided by the number of labelled pixels.
# Source: github.com/qubvel-org/segmentation_models.pytorch/issues/852, closed as stale.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    segmentation-models-pytorch==0.6.0 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import math
import sys

import segmentation_models_pytorch as smp
import torch

IGNORE = 255
losses = {
    "torch": torch.nn.CrossEntropyLoss(ignore_index=IGNORE),
    "smp": smp.losses.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=IGNORE),
}
focal = smp.losses.FocalLoss("multiclass", ignore_index=IGNORE)


def loss_and_gradient(loss, ignored_rows):
    """Return the loss, and a pixel's gradient at its class times the number of labelled pixels."""
    logits = torch.zeros(1, 4, 8, 8, requires_grad=True)
    target = torch.ones(1, 8, 8, dtype=torch.long)
    target[:, 8 - ignored_rows :] = IGNORE
    value = loss(logits, target)
    value.backward()
    return value.item(), -logits.grad[0, 1, 0, 0].item() * 8 * (8 - ignored_rows)


print("segmentation_models_pytorch", smp.__version__, "torch", torch.__version__)
changed = False
for name, loss in losses.items():
    for ignored_rows in (0, 6):
        value, gradient = loss_and_gradient(loss, ignored_rows)
        labelled = (8 - ignored_rows) / 8
        print(f"{name}: {labelled:.0%} labelled: loss {value:.4f}, gradient {gradient:.4f}")
        share = labelled if name == "smp" else 1.0
        changed |= abs(value - math.log(4) * share) > 1e-5 or abs(gradient - 0.75 * share) > 1e-5
focal_values = [loss_and_gradient(focal, ignored_rows)[0] for ignored_rows in (0, 6)]
print("smp's FocalLoss, all and a quarter labelled:", focal_values)
if changed or abs(focal_values[0] - focal_values[1]) > 1e-5:
    sys.exit("CHANGED: expected smp's loss to shrink with the ignored share, and torch's not to")
print("as documented: ignored pixels count in the mean of SoftCrossEntropyLoss")
PY
