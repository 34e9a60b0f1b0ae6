"""A network in an ONNX file of ``harmonize export``, which onnxruntime runs."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.exporting.exported_network import INPUTS, OUTPUTS
from harmonize.exporting.facts import Facts
from harmonize.system.extras import need

# Letters of shapes: B pictures, K leaves, h x w pixels of the network.


class OnnxNetwork:
    """Runs a graph with as many threads as PyTorch has.

    Args:
        model: the file's bytes.
        facts: what the file says of itself.
        leaves: K, of its tree.
        path: of the file.

    Raises:
        HarmonizeError: onnxruntime cannot run it, or it does not give logits of the tree's leaves.
    """

    def __init__(self, model: bytes, facts: Facts, leaves: int, path: Path) -> None:
        runtime: Any = need("onnxruntime", extra="export", key=str(path))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what fails is raised
        self._path = path
        self._leaves = leaves
        self.stride = facts.stride
        self.reach = math.inf if facts.reach is None else facts.reach
        try:
            self._session = runtime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of its many kinds
            raise HarmonizeError(f"{path}: onnxruntime cannot load it: {_first(error)}") from None
        inputs = tuple(one.name for one in self._session.get_inputs())
        known = {one.name for one in self._session.get_outputs()}
        initial = {one.name for one in self._session.get_overridable_initializers()}
        if not {*inputs, *initial} >= {*INPUTS} or not known >= {*OUTPUTS}:
            raise HarmonizeError(f"{path}: has other inputs and outputs than an exported network")
        self._run_options = runtime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    def __call__(self, pictures: UInt8[Tensor, "B 3 h w"]) -> Float[Tensor, "B K h w"]:
        """Return the logits of pictures as the network is to see them.

        Raises:
            HarmonizeError: the graph fails, or gives something else.
        """
        given = {"pictures": pictures.cpu().numpy(), "size": np.array(0, dtype=np.int64)}
        try:
            (logits,) = self._session.run(["logits"], given, self._run_options)
        except Exception as error:
            raise HarmonizeError(f"{self._path}: onnxruntime fails: {_first(error)}") from None
        wanted = (len(pictures), self._leaves, *pictures.shape[2:])
        if logits.shape != wanted or logits.dtype != np.float32:
            raise HarmonizeError(
                f"{self._path}: gives logits {logits.dtype} {logits.shape}, expected float32 "
                f"{wanted}; export the run again"
            )
        return torch.from_numpy(logits)


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
