#!/usr/bin/env bash
# One would guess: torch.nn.SyncBatchNorm.convert_sync_batchnorm, which every script for several GPUs
#   calls, leaves what a network computes as it is; in evaluation mode nothing is synchronised.
# What happens: timm's encoders hold batch norm and activation in one module (BatchNormAct2d). The
#   conversion puts a plain SyncBatchNorm in its place and hangs the activation below it as a child
#   that nobody calls: every such activation of the network is gone, without a word.
# Versions: torch 2.14.1, timm 1.0.31.
# Seen (tf_efficientnet_lite0, evaluation mode, random weights): the answer for a picture changes;
#   33 ReLU6 modules are still listed, and 0 of them run. timm's own convert_sync_batchnorm
#   (timm.layers) changes nothing.
# Why it matters: a pretrained encoder of timm, or of segmentation_models_pytorch upon timm, trains
#   on several GPUs as a nearly linear network, and only there; printing it shows its activations.
# Source: torch/nn/modules/batchnorm.py and timm/layers/norm_act.py, read and run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    timm==1.0.31 torch==2.14.1 torchvision==0.29.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import copy
import sys

import timm
import torch
from timm.layers.norm_act import convert_sync_batchnorm


def activations_run(network, picture):
    """Return the answer, and how many ReLU6 modules there are and how many of them ran."""
    found = [module for module in network.modules() if isinstance(module, torch.nn.ReLU6)]
    ran = set()
    hooks = [m.register_forward_hook(lambda module, *_: ran.add(id(module))) for m in found]
    with torch.no_grad():
        answer = network(picture)
    for hook in hooks:
        hook.remove()
    return answer, len(found), len(ran)


torch.manual_seed(0)
network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
picture = torch.randn(1, 3, 64, 64)
before, listed, ran = activations_run(network, picture)
by_torch = torch.nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network))
by_timm = convert_sync_batchnorm(copy.deepcopy(network))
print("torch", torch.__version__, "timm", timm.__version__)
print(f"as built: {listed} ReLU6 listed, {ran} run")
results = {}
for name, converted in (("torch", by_torch), ("timm", by_timm)):
    answer, still_listed, still_run = activations_run(converted, picture)
    results[name] = (torch.equal(answer, before), still_listed, still_run)
    same = "the same answer" if results[name][0] else "another answer"
    print(f"converted by {name}: {still_listed} listed, {still_run} run, {same}")
if results != {"torch": (False, 33, 0), "timm": (True, 33, 33)} or (listed, ran) != (33, 33):
    sys.exit("CHANGED: expected torch's conversion to lose all 33 activations, and timm's none")
print("as documented: torch's conversion drops the activations of timm's batch norms")
PY
