"""A member of every family of networks that the documentation lists, from config to answer."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from harmonize.config.model_config import ModelConfig
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.models.build import build_model
from harmonize.runs.opened import open_run
from saved import save_run
from tiny import tiny_config, write_project

FAMILIES = {
    "U-Net": ModelConfig(width=8, norm="group"),
    "torchvision": ModelConfig(name="lraspp_mobilenet_v3_large"),
    "ResNet": ModelConfig(name="deeplabv3plus", encoder="resnet18"),
    "ResNeXt": ModelConfig(name="linknet", encoder="resnext26ts"),
    "RegNet": ModelConfig(encoder="regnetx_002"),
    "MobileNet": ModelConfig(name="fpn", encoder="mobilenetv3_small_050"),
    "EfficientNet": ModelConfig(name="unetplusplus", encoder="tf_efficientnet_lite0"),
    "MobileOne": ModelConfig(name="fpn", encoder="mobileone_s0"),
    "ConvNeXt": ModelConfig(name="upernet", encoder="convnext_atto"),
    "PVT": ModelConfig(name="segformer", encoder="pvt_v2_b0"),
    "MiT": ModelConfig(name="segformer", encoder="mit_b0"),
    "Swin": ModelConfig(name="upernet", encoder="swin_tiny_patch4_window7_224"),
    "ViT": ModelConfig(name="dpt", encoder="vit_tiny_patch16_224"),
    "transformers": ModelConfig(name="transformers/segformer"),
}
SIZES = [(1, 1), (33, 47), (64, 31)]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_built_trained_saved_opened_and_predicted_with(
    family: str, tmp_path: Path
) -> None:
    model = FAMILIES[family]
    if model.encoder is not None:
        pytest.importorskip("segmentation_models_pytorch")
    if model.name.startswith("transformers/"):
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    network = build_model(3, model)
    logits = network(torch.randint(0, 256, (2, 3, 33, 47), dtype=torch.uint8))
    assert logits.shape == (2, 3, 33, 47)
    logits.square().mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    stages = {id(p) for stage in network.encoder_stages for p in stage.parameters()}
    own = {id(p) for p in network.parameters()}
    assert stages < own
    assert len(network.encoder_stages) == 0 if family == "U-Net" else len(stages) > 10

    values = json.dumps(dataclasses.asdict(model))
    config = tiny_config(write_project(tmp_path), tmp_path, f"model={values}")
    run = open_run(save_run(network.eval(), config, tmp_path / "run"))
    opened = TiledNetwork(run.network(), Accelerator(cpu=True, mixed_precision="no"))
    with torch.no_grad():
        for height, width in SIZES:
            picture = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
            found = opened.logits(picture)
            assert found.shape == (3, height, width)
            # Another order of memory has convolutions add up in another order.
            torch.testing.assert_close(found, network(picture[None])[0], rtol=1e-3, atol=1e-3)
