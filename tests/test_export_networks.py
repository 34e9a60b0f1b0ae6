"""Every network of ``models`` that can be exported is, and answers as it did before."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as runtime
import pytest
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torchvision.models import list_models, segmentation

from decoders import flat_decoder
from harmonize import HarmonizeError
from harmonize.config.model_config import ModelConfig
from harmonize.exporting.export_run import as_onnx, check_exportable, trace
from harmonize.exporting.exported_network import ExportedNetwork
from harmonize.inference.answer_space import AnswerLabel, AnswerSpace
from harmonize.models.build import build_model
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.models.with_encoder import DECODERS

TINY_SEGFORMER = {
    "hidden_sizes": [8, 8, 16, 16],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "decoder_hidden_size": 16,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "unet, batch": {"width": 4},
    "unet, group": {"width": 8, "norm": "group"},
    "unet, per data set": {"width": 4, "norm": "batch_per_dataset"},
    **{f"{name} upon an encoder": {"name": name, "encoder": "test_resnet"} for name in DECODERS},
    **{name: {"name": name} for name in list_models(module=segmentation) if "101" not in name},
    "transformers/segformer": {"name": "transformers/segformer", "args": TINY_SEGFORMER},
}
NETWORKS["unet that pads as TensorFlow"] = {
    "name": "unet",
    "encoder": "tf_mobilenetv3_small_minimal_100",
}
NETWORKS.pop("dpt upon an encoder")  # is for transformers
NETWORKS["dpt upon a transformer"] = {"name": "dpt", "encoder": "test_vit"}

Answer = Callable[[Tensor, int], Tensor]
"""Logits of pictures whose shorter side is scaled to so many pixels."""

SPACE = AnswerSpace(
    "leaves",
    tuple(AnswerLabel(str(n), n, (str(n),), 1, (n, n, n)) for n in range(5)),
    np.eye(5, dtype=bool),
    flat_decoder(5),
)


def built(options: dict[str, Any]) -> Segmenter:
    torch.manual_seed(0)
    return build_model(5, ModelConfig(**options), datasets=("a", "b")).eval()


AS_ONNX = (
    "unet that pads as TensorFlow",
    "pspnet upon an encoder",
)
"""Those that are written as ONNX too, which takes four times as long as tracing."""


def in_onnxruntime(program: ExportedProgram) -> Answer:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    model = as_onnx(program, 64).SerializeToString()
    session = runtime.InferenceSession(model, options)

    def answer(pictures: Tensor, size: int) -> Tensor:
        given = {"pictures": pictures.numpy(), "size": np.array(size)}
        found: Any = session.run(["logits"], given)
        return torch.from_numpy(found[0])

    return answer


def in_pytorch(program: ExportedProgram) -> Answer:
    module = program.module()
    return lambda pictures, size: module(pictures, torch.tensor(size))[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_answers_as_before_it_was_exported(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """At a size that was traced with by none, as a batch, odd, and enlarged; without a word."""
    segmenter = built(NETWORKS[name])
    check_exportable(segmenter, name)
    program, least = trace(segmenter, SPACE, name)
    assert least <= 256
    answer = (in_onnxruntime if name in AS_ONNX else in_pytorch)(program)
    for shape in [(2, 3, 141, 177), (1, 3, 300, 259)]:
        pictures = torch.randint(0, 256, shape, dtype=torch.uint8)
        logits = answer(pictures, least + 9)
        plain = ExportedNetwork(segmenter, SPACE, strides=math.ceil(least / segmenter.stride))
        with torch.no_grad():
            expected = plain(pictures, torch.tensor(least + 9))[2]
        assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert capfd.readouterr() == ("", "")


def test_an_exported_network_sees_what_its_own_forward_does() -> None:
    segmenter = built({"width": 4})
    network = ExportedNetwork(segmenter, SPACE)
    for height, width in [(33, 47), (16, 5), (1, 1)]:
        pictures = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)
        with torch.no_grad():
            classes, probabilities, logits = network(pictures, torch.tensor(0))
            expected = segmenter(pictures)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(probabilities, expected.softmax(1), atol=1e-4, rtol=1e-4)
        assert (classes != expected.argmax(1)).float().mean() < 0.01


def test_networks_that_cannot_be_exported_are_told() -> None:
    network = built({"width": 4})
    bands = Segmenter(network.network, Traits(mean=(0.0,), std=(1.0,)))
    with pytest.raises(HarmonizeError, match=r"^unet: takes 1 bands; only networks for RGB are"):
        check_exportable(bands, "unet")
    network.traits = dataclasses.replace(network.traits, no_export="so say its authors")
    with pytest.raises(HarmonizeError, match=r"^unet: cannot be exported: so say its authors$"):
        check_exportable(network, "unet")


def test_a_network_that_looks_at_the_numbers_is_told() -> None:
    class Moody(torch.nn.Conv2d):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input if input.sum() > 0 else -input)

    segmenter = Segmenter(Moody(3, 5, 1), Traits(stride=64))
    with pytest.raises(HarmonizeError, match=r"^mine: cannot be exported: "):
        trace(segmenter, SPACE, "mine")
