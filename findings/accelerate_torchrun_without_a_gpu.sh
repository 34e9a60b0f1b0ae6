#!/usr/bin/env bash
# One would guess: two processes that torchrun starts on a machine without a GPU train together
#   through Accelerate, as two on GPUs do, or are told that they do not.
# What happens: unless ACCELERATE_USE_CPU=true is set, each is told that it is the only one and the
#   main one (num_processes 1, process_index 0), prepare leaves the network as it is, and no gradient
#   is averaged; torch's process group is opened all the same, with two members. So two trainings
#   run side by side, each on all data, and both write what the main process writes.
# Versions: accelerate 1.15.0, torch 2.14.1, CUDA hidden.
# Seen: "1 processes, main: True, Linear; torch: 2 processes" from both; with the variable
#   "2 processes, main: True, DistributedDataParallel; torch: 2 processes" from the first.
# Why it matters: a run on two CPU nodes costs twice and gives what one gives, without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 accelerate==1.15.0 numpy==2.4.6
cat >"$folder/joined.py" <<'PY'
import sys

import torch
from accelerate import Accelerator

expected = (1, True, "Linear", 2) if sys.argv[1] == "untold" else None
accelerator = Accelerator()
network = accelerator.prepare(torch.nn.Linear(2, 2))
seen = (
    accelerator.num_processes,
    accelerator.is_main_process,
    type(network).__name__,
    torch.distributed.get_world_size(),
)
line = f"{seen[0]} processes, main: {seen[1]}, {seen[2]}; torch: {seen[3]} processes"
print(f"{sys.argv[1]}: {line}", flush=True)
if expected is None:
    expected = (2, torch.distributed.get_rank() == 0, "DistributedDataParallel", 2)
if seen != expected:
    sys.exit(f"CHANGED: expected {expected}")
torch.distributed.destroy_process_group()
PY
unset ACCELERATE_USE_CPU
export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
launch=("$folder/venv/bin/python" -W ignore -m torch.distributed.run --standalone --nproc-per-node=2)
"${launch[@]}" "$folder/joined.py" untold
ACCELERATE_USE_CPU=true "${launch[@]}" "$folder/joined.py" told
echo "as documented: without the variable each process is alone"
