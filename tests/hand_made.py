"""A run folder whose network is one convolution, and the same as an ONNX file made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from harmonize.exporting.export_run import _facts, legend_of
from harmonize.exporting.facts import Facts
from harmonize.inference.predict_options import PredictOptions, choose_answers
from harmonize.inference.trained import TrainedRun
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.runs.opened import OpenedRun, open_run
from saved import save_run
from tiny import tiny_config, write_project


def untrained_run(folder: Path, *overrides: str) -> Path:
    """Write a project and a run folder of a tiny U-Net that was never trained."""
    from harmonize.models.build import build_model

    project = write_project(folder)
    options = ("model.width=4", "model.norm=batch", *overrides)
    config = tiny_config(project, folder / "run", *options)
    torch.manual_seed(0)
    network = build_model(3, config.model, datasets=("fine", "coarse")).eval()
    return save_run(network, config, folder / "run")


def one_convolution() -> Segmenter:
    """Return a network whose logits are a pixel's colours, mixed."""
    network = nn.Conv2d(3, 3, kernel_size=1)
    weights = torch.tensor([[3.0, -1, 0], [0, 3, -1], [-1, 0, 3]])
    with torch.no_grad():
        network.weight.copy_(weights[:, :, None, None])
        for bias in [*network.parameters()][1:]:
            bias.zero_()
    return Segmenter(network, Traits(mean=(0.0,) * 3, std=(1.0,) * 3, reach=0))


def as_graph() -> Any:
    """Return the same as an ONNX model, by the inputs and outputs of an exported network."""
    weights = next(one_convolution().network.parameters()).detach().numpy() / 255
    pixels = ["b", 3, "h", "w"]
    nodes = [
        helper.make_node("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["numbers", "weights"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["classes"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "hand made",
        [
            helper.make_tensor_value_info("pictures", TensorProto.UINT8, pixels),
            helper.make_tensor_value_info("size", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("classes", TensorProto.INT64, ["b", "h", "w"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, pixels),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, pixels),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(16), "size"),
        ],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def facts_of(run: Path, **answers: Any) -> tuple[Facts, str]:
    """Return what a file of a run says of itself, and its legend."""
    opened: OpenedRun = open_run(run)
    options = PredictOptions(**answers)
    wording = choose_answers(TrainedRun(opened), options)
    facts = _facts(opened, wording, options, one_convolution(), 1)
    import json

    return facts, json.dumps(legend_of(wording.answers))


__all__ = ["as_graph", "facts_of", "one_convolution", "onnx", "untrained_run"]
