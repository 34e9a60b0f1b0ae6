#!/usr/bin/env bash
# One would guess: Accelerator(fsdp_plugin=FullyShardedDataParallelPlugin(fsdp_version=2)) shares a
#   prepared network's parameters out over the processes, or says that it cannot where it runs.
# What happens: in two processes on CPUs (gloo) the plugin is taken without a word and left unused:
#   distributed_type is MULTI_CPU, and prepare returns DistributedDataParallel, so that each process
#   keeps every parameter whole. torch's own fully_shard shares the same network out there.
# Versions: accelerate 1.15.0, torch 2.14.1.
# Seen: "MULTI_CPU, DistributedDataParallel, 32 of 32 numbers in each process" from Accelerate,
#   "16 of 32 numbers in each process" from torch.
# Why it matters: who tries a sharded training on CPUs before renting GPUs tests another program.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 accelerate==1.15.0 numpy==2.4.6
cat >"$folder/shared.py" <<'PY'
import sys

import accelerate
import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def held(network):
    """Return how many numbers of the parameters this process holds."""
    parts = (getattr(p, "to_local", lambda p=p: p)() for p in network.parameters())
    return sum(part.numel() for part in parts)


plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
accelerator = Accelerator(cpu=True, fsdp_plugin=plugin)
prepared = accelerator.prepare(torch.nn.Linear(8, 4, bias=False))
own = torch.nn.Linear(8, 4, bias=False)
fully_shard(own, mesh=init_device_mesh("cpu", (accelerator.num_processes,)))
kind, name = accelerator.distributed_type.value, type(prepared).__name__
if accelerator.is_main_process:
    print("accelerate", accelerate.__version__, "torch", torch.__version__)
    print(f"accelerate: {kind}, {name}, {held(prepared)} of 32 numbers in each process")
    print(f"torch: {held(own)} of 32 numbers in each process")
accelerator.wait_for_everyone()
as_documented = (kind, name) == ("MULTI_CPU", "DistributedDataParallel")
if not as_documented or held(prepared) != 32 or held(own) != 16:
    sys.exit("CHANGED: expected the plugin to be left unused without a word")
accelerator.end_training()
PY
ACCELERATE_USE_CPU=true OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore \
    -m torch.distributed.run --standalone --nproc-per-node=2 "$folder/shared.py"
echo "as documented: the plugin is left unused on CPUs"
