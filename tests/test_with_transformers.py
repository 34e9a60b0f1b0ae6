"""Segmentation networks of transformers: by config, from a folder, and without it again."""

import json
import sys
from pathlib import Path

import pytest
import torch

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.build import build_model
from harmonize.models.with_transformers import with_folder_args

transformers = pytest.importorskip("transformers")

TINY = {
    "hidden_sizes": [8, 16, 24, 32],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 1, 1],
    "decoder_hidden_size": 16,
}


def problem(**options: object) -> str:
    """Return what is wrong with a network, in one line."""
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, with_folder_args(ModelConfig(**options)))  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretrained network of 7 classes as transformers saves it."""
    folder = tmp_path_factory.mktemp("segformer")
    torch.manual_seed(5)
    config = transformers.SegformerConfig(num_labels=7, **TINY)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5, 0.25, 0.125]}))
    return folder


def test_a_network_is_built_by_its_config() -> None:
    network = build_model(3, ModelConfig(name="transformers/segformer", args=TINY))
    logits = network(torch.randint(0, 256, (2, 3, 33, 47), dtype=torch.uint8))
    assert logits.shape == (2, 3, 33, 47)
    assert len(network.encoder_stages) == 4
    assert network.traits.stages[3][0].startswith("core.segformer.")


def test_a_folder_gives_weights_and_a_config_that_the_run_keeps(folder: Path) -> None:
    asked = ModelConfig(name="transformers/segformer", weights=str(folder))
    model = with_folder_args(asked)
    assert {key: model.args[key] for key in TINY} == TINY
    assert "id2label" not in model.args
    network = build_model(3, model)
    source = transformers.SegformerForSemanticSegmentation.from_pretrained(folder).state_dict()
    state = network.get_submodule("network.core").state_dict()
    head = {"decode_head.classifier.weight", "decode_head.classifier.bias"}
    assert {key for key in state if state[key].shape != source[key].shape} == head
    assert all(torch.equal(state[key], source[key]) for key in state.keys() - head)
    assert network.mean.flatten().tolist() == [0.5, 0.25, 0.125]
    again = build_model(3, model, pretrained=False)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.mean, network.mean)


def test_a_folder_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    assert problem(name="transformers/dpt", weights=str(folder)) == (
        f"model.weights: {folder}/config.json: is of 'segformer'; write model.name: "
        "transformers/segformer"
    )
    assert problem(name="transformers/segformer", weights=str(tmp_path)) == (
        f"model.weights: {tmp_path}: no folder with a config.json, as transformers' "
        "save_pretrained writes it"
    )
    other = {"name": "transformers/segformer", "weights": str(folder)}
    wrong = problem(**other, args={"hidden_sizes": [8, 16, 24, 40]})
    assert " tensors of transformers/segformer fit, " in wrong
    (tmp_path / "config.json").write_text("{")
    text = problem(name="transformers/segformer", weights=str(tmp_path))
    assert text.startswith(f"model.weights: {tmp_path}/config.json: cannot be read: ")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"name": "transformers/segforme"},
            "model.name: transformers has no network 'segforme'; did",
        ),
        (
            {"name": "transformers/mask2former"},
            "model.name: transformers/mask2former answers with masks and a class for each, not ",
        ),
        ({"name": "transformers/eomt"}, "model.name: transformers/eomt answers with masks and "),
        (
            {"name": "transformers/segformer", "args": {"hidden_sizes": [7, 7, 7, 7]}},
            "model.args: transformers/segformer cannot be built so: ",
        ),
        (
            {"name": "transformers/upernet", "args": {"use_pretrained_backbone": True}},
            "model.args.use_pretrained_backbone: downloads; give a folder by model.weights",
        ),
        (
            {"name": "transformers/upernet", "channels": 4},
            "model.channels: transformers/upernet takes 3 bands, got 4",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(
    options: dict[str, object], expected: str
) -> None:
    assert problem(**options).startswith(expected)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert problem(name="transformers/segformer") == (
        "model.name: needs transformers, which is not installed; "
        "pip install 'harmonize-seg[transformers]'"
    )


def test_the_number_of_bands_and_checkpointing_reach_the_network() -> None:
    model = ModelConfig(name="transformers/segformer", args=TINY, channels=2, checkpointing=True)
    network = build_model(3, model)
    layer = next(m for m in network.modules() if type(m).__name__ == "SegformerLayer")
    calls: list[int] = []
    # A layer computed anew stops as soon as it has what it lacked: look at its first part.
    next(layer.children()).register_forward_hook(lambda *_: calls.append(1))
    network(torch.zeros(1, 2, 32, 32, dtype=torch.uint8)).sum().backward()
    assert len(calls) == 2
