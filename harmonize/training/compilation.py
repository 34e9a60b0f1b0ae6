"""Compile a network with ``torch.compile``."""

import os
import shutil
import sys

import torch
from torch import nn

from harmonize.errors import HarmonizeError


def check_compiler(wanted: bool) -> None:
    """Make sure that there is what ``torch.compile`` needs on a CPU: a C++ compiler.

    Raises:
        HarmonizeError: there is none.
    """
    if not wanted or torch.cuda.is_available():
        return
    command = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(command) is None:
        raise HarmonizeError(
            f"train.compile: the C++ compiler {command} is not installed; install it, name another "
            "by CXX=..., or say train.compile=false"
        )


def compile_network(network: nn.Module) -> nn.Module:
    """Return the network as ``torch.compile`` makes it when the first batch has come."""
    compiled = torch.compile(network)
    assert isinstance(compiled, nn.Module)
    return compiled
