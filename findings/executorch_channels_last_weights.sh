#!/usr/bin/env bash
# One would guess: a network is lowered to XNNPACK by ExecuTorch whichever way its weights lie in
#   memory; channels_last, which PyTorch recommends for convolutions, changes no number of it.
# What happens: to_edge_transform_and_lower with the XnnpackPartitioner fails for a convolution whose
#   weight is channels_last: "An error occurred when running the 'ChannelsLastTaggedReshapePass' pass
#   after the following passes: []", caused by an AssertionError, "Expected p_weight to be NCHW in
#   channels last reshape pass". The same network with contiguous weights is lowered.
# Versions: executorch 1.5.1, torch 2.14.1.
# Seen: contiguous_format: lowered; channels_last: the exception.
# Why it matters: networks are trained and served in channels_last, and nothing of the message names
#   the layout of the network's own weights. Call network.to(memory_format=torch.contiguous_format)
#   before torch.export.export.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 executorch==1.5.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower


def attempt(layout):
    """Return what lowering a convolution with weights of a layout comes to."""
    network = torch.nn.Conv2d(3, 8, 3, padding=1).eval().to(memory_format=layout)
    program = torch.export.export(network, (torch.zeros(1, 3, 16, 16),))
    try:
        to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    except Exception as error:
        return f"{type(error).__name__}, {error.__cause__}"
    return "lowered"


contiguous, last = attempt(torch.contiguous_format), attempt(torch.channels_last)
print("torch", torch.__version__)
print("contiguous weights:", contiguous)
print("channels_last weights:", last)
if contiguous != "lowered" or "to be NCHW" not in last:
    sys.exit("CHANGED: expected channels_last weights alone to be refused")
print("as documented: weights in channels_last are refused")
PY
