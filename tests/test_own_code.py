"""Networks of one's own: named in a config or passed, with outputs of any kind, and trusted."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.build import build_model
from harmonize.models.own_code import build_segmenter, needs_code
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.pipeline.train import train
from harmonize.runs.checkpoints import newest_whole
from harmonize.runs.opened import open_run
from tiny import tiny_config, write_project

CODE = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self, leaves, width=4):
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.out = nn.Conv2d(width, leaves, 1)
        self.aux = nn.Conv2d(width, leaves, 1)

    def forward(self, pictures):
        features = self.body(pictures).relu()
        out = {"aux": self.aux(features), "out": self.out(features)}
        return out if self.training else out["out"]

def two(leaves, width=4):
    return Two(leaves, width)

def number(leaves):
    return leaves

def wrong(leaves):
    return nn.Conv2d(3, leaves + 1, 1)

def failing(leaves):
    raise KeyError("no such\\nthing")
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory, which is not on Python's path."""
    (tmp_path / "own_networks.py").write_text(CODE)
    (tmp_path / "broken_networks.py").write_text("import no_such_module\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*(p for p in sys.path if p)])
    for name in ("own_networks", "broken_networks"):
        sys.modules.pop(name, None)
    return "own_networks"


def problem(name: str, **options: object) -> str:
    """Return what is wrong with a network of a config."""
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, ModelConfig(name=name, **options))  # type: ignore[arg-type]
    return str(caught.value)


def test_a_function_is_called_with_the_number_of_leaves_and_arguments(code: str) -> None:
    network = build_model(3, ModelConfig(name=f"{code}:two", args={"width": 7}))
    assert network.get_submodule("network.body").out_channels == 7  # type: ignore[union-attr]
    assert network.stride == 2
    pictures = torch.randint(0, 256, (2, 3, 13, 9), dtype=torch.uint8)
    logits = network(pictures)
    assert isinstance(logits, Tensor)
    assert logits.shape == (2, 3, 13, 9)
    both = network(pictures, auxiliary=True)
    assert [out.shape for out in both] == [logits.shape] * 2
    assert torch.equal(both[0], logits)
    assert len(network.eval()(pictures, auxiliary=True)) == 1


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("own_networks:tow", {}, "own_networks has no function 'tow'; did you mean two?"),
        ("own_networks:", {}, "own_networks has no function ''; choose from: Two, two, number, "),
        ("no.such:f", {}, "the module no.such cannot be imported: ModuleNotFoundError: No module"),
        ("broken_networks:f", {}, "the module broken_networks cannot be imported: ModuleNotFound"),
        ("own_networks:number", {}, "must return a torch.nn.Module, got int"),
        ("own_networks:failing", {}, "calling it with 3 leaves fails: KeyError: 'no such\\nthing'"),
        (
            "own_networks:two",
            {"args": {"depth": 3}},
            "calling it with 3 leaves and model.args fails: TypeError: two() got an unexpected",
        ),
    ],
)
@pytest.mark.usefixtures("code")
def test_what_cannot_be_called_is_named(
    name: str, options: dict[str, object], expected: str
) -> None:
    text = problem(name, **options)
    assert text.startswith(f"model.name: {name}: {expected}")
    assert "\n" not in text


@pytest.mark.usefixtures("code")
def test_logits_for_other_leaves_are_refused() -> None:
    assert problem("own_networks:wrong") == (
        "model.name: own_networks:wrong must give a logit for each of 3 leaves, got 4"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights", "x.pth"), ("checkpointing", True), ("encoder", "resnet18"), ("width", 8)],
)
@pytest.mark.usefixtures("code")
def test_keys_that_its_own_code_decides_are_refused(key: str, value: object) -> None:
    text = problem("own_networks:two", **{key: value})
    assert text.startswith(f"model.{key}: belongs to ")
    assert ", not to own_networks:two" in text
    assert text.endswith("; remove it")


def test_a_network_passed_from_python_is_not_built_from_its_config() -> None:
    assert problem("passed") == (
        "model.name: passed: the network was passed from Python; pass it again"
    )


class Outputs(nn.Module):
    """Gives the logits of one convolution in a container."""

    def __init__(self, wrap: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.wrap = wrap

    def forward(self, pictures: Tensor) -> object:
        logits = self.conv(pictures)
        other = logits[..., ::2, ::2] + 1
        return {
            "list": [logits, other],
            "tuple": (logits, other, logits.mean((2, 3))),
            "out": {"aux": other, "out": logits},
            "logits": {"loss": None, "hidden": logits[:, :2], "logits": logits, "second": other},
            "first": {"a": logits, "b": other},
        }[self.wrap]


@pytest.mark.parametrize("wrap", ["list", "tuple", "out", "logits", "first"])
def test_the_answer_is_found_among_several_outputs(wrap: str) -> None:
    network = build_segmenter(Outputs(wrap), 4)
    pictures = torch.randint(0, 256, (1, 3, 6, 5), dtype=torch.uint8)
    main, further = network(pictures, auxiliary=True)
    conv = network.get_submodule("network.conv")
    torch.testing.assert_close(main, conv(network.normalize(pictures)))
    assert further.shape == main.shape
    assert torch.equal(network(pictures), main)


def test_outputs_without_logits_are_refused() -> None:
    with pytest.raises(HarmonizeError, match=r"no logits of shape \(B, leaves, h, w\)"):
        build_segmenter(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten()), 4)


def test_smaller_logits_are_scaled_bilinearly_and_pictures_padded_by_their_border() -> None:
    conv = nn.Conv2d(3, 2, 4, 4)
    network = build_segmenter(conv, 2)
    assert (network.stride, network.traits.least) == (4, 8)
    pictures = torch.randint(0, 256, (1, 3, 9, 14), dtype=torch.uint8)
    padded = pictures[:, :, [*range(9), 8, 8, 8]][..., [*range(14), 13, 13]]
    small = conv(network.normalize(padded))
    expected = nn.functional.interpolate(small, size=(12, 16), mode="bilinear")[..., :9, :14]
    torch.testing.assert_close(network(pictures), expected)


def test_a_network_says_how_it_wants_its_input() -> None:
    conv = nn.Conv2d(3, 2, 1)
    assert build_segmenter(conv, 2).mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    conv.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.1, 0.2, 0.3)}  # type: ignore[assignment]
    network = build_segmenter(conv, 2)
    assert network.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert network.std.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    own = Segmenter(conv, Traits(stride=2, stages=(("",),)))
    assert build_segmenter(own, 2) is own


@pytest.mark.parametrize("channels", [1, 5])
def test_pictures_may_have_other_numbers_of_bands(channels: int) -> None:
    network = build_segmenter(nn.Conv2d(channels, 2, 1), 2, ModelConfig(channels=channels))
    assert network.in_channels == channels
    assert network(torch.zeros(1, channels, 3, 3, dtype=torch.uint8)).shape == (1, 2, 3, 3)


def test_code_of_ones_own_is_told_by_its_name() -> None:
    assert needs_code(ModelConfig(name="harmonize_evil:f"))
    assert needs_code(ModelConfig(name="passed"))
    assert not needs_code(ModelConfig())
    assert not needs_code(ModelConfig(name="transformers/segformer"))


@pytest.mark.parametrize("auxiliary", [0.0, 0.4])
def test_further_outputs_are_trained_with_their_weight_and_code_runs_only_if_trusted(
    code: str, tmp_path: Path, auxiliary: float
) -> None:
    names = f'model={{name: "{code}:two", auxiliary: {auxiliary}}}'
    config = tiny_config(write_project(tmp_path), tmp_path / "run", names, "train.steps=1")
    torch.manual_seed(config.seed)
    start = build_model(3, config.model).state_dict()
    run = train(config, name="own")
    found = newest_whole(run)
    assert found is not None
    trained = found[1].model
    moved = {key: not torch.equal(start[key], trained[key]) for key in start}
    assert moved["network.out.weight"]
    assert moved["network.body.weight"]
    assert moved["network.aux.weight"] == (auxiliary > 0)

    sys.modules.pop(code)
    with pytest.raises(HarmonizeError) as caught:
        open_run(run)
    assert str(caught.value) == (
        f"{found[0]}: model.name: own_networks:two is code that did not come with harmonize, and "
        "is not run unasked; say trust_code=True (--trust-code) if you trust it, or pass the "
        "network: Run.open(folder, model=...)"
    )
    assert code not in sys.modules
    passed = build_model(3, config.model).network
    for opened in (open_run(run, trust_code=True), open_run(run, model=passed)):
        network = opened.network()
        assert torch.equal(
            network.state_dict()["network.out.weight"], trained["network.out.weight"]
        )
        assert not network.training


def test_a_further_output_that_equals_the_answer_weighs_as_much_as_said(tmp_path: Path) -> None:
    """With weights w and twice the same output, the step is 1 + w times as long."""
    code = tmp_path / "twice_networks.py"
    code.write_text(
        "from torch import nn\n"
        "class Twice(nn.Module):\n"
        "    def __init__(self, leaves, times):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, leaves, 1)\n"
        "        self.times = times\n"
        "    def forward(self, pictures):\n"
        "        return [self.conv(pictures)] * self.times\n"
    )
    sys.path.append(str(tmp_path))
    steps = []
    project = write_project(tmp_path)
    for times in (1, 3):
        args = f'model={{name: "twice_networks:Twice", args: {{times: {times}}}, auxiliary: 0.25}}'
        config = tiny_config(project, tmp_path / f"run{times}", args, "train.steps=1")
        torch.manual_seed(config.seed)
        start = build_model(3, config.model).state_dict()["network.conv.weight"]
        found = newest_whole(train(config, name="own"))
        assert found is not None
        steps.append(found[1].model["network.conv.weight"] - start)
    sys.path.remove(str(tmp_path))
    torch.testing.assert_close(steps[1], 1.5 * steps[0], rtol=1e-4, atol=1e-7)
