"""Batch norm with statistics for each data set: by hand, against batch norm, and in whole runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import scenarios
from group import run_group
from harmonize import HarmonizeError, Run
from harmonize.cli import main
from harmonize.config.model_config import ModelConfig
from harmonize.config.run_config import RunConfig
from harmonize.labels.sources import load_sources
from harmonize.models.build import build_model
from harmonize.models.dataset_norms import (
    DatasetBatchNorm2d,
    Shown,
    answering_like,
    norm_per_dataset,
)
from harmonize.models.own_code import build_segmenter
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.preflight import check_run
from harmonize.pipeline.train import train
from saved import save_run
from tiny import tiny_config, write_project

PER_DATASET = ModelConfig(width=8, norm="batch_per_dataset")
NAMES = ("a", "b", "c")


def norm_of(number: int = 3, channels: int = 4, **options: Any) -> DatasetBatchNorm2d:
    """Return a norm of float64 with scale and shift of its own."""
    plain = nn.BatchNorm2d(channels, **options)
    if plain.affine:
        nn.init.normal_(plain.weight)
        nn.init.normal_(plain.bias)
    return DatasetBatchNorm2d(plain.double(), Shown(NAMES[:number]))


def alone(norm: DatasetBatchNorm2d, number: int) -> nn.BatchNorm2d:
    """Return a plain batch norm that stands where one data set does."""
    plain = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum, affine=norm.affine).double()
    state = {
        name: value[number] if name.startswith(("running", "num")) else value
        for name, value in norm.state_dict().items()
    }
    plain.load_state_dict(state)
    return plain.train(norm.training)


def backward(norm: nn.Module, features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a norm makes of features, and their gradient."""
    leaf = features.clone().requires_grad_()
    normal = norm(leaf)
    (normal * weights).sum().backward()
    assert leaf.grad is not None
    return normal.detach(), leaf.grad


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False}])
def test_each_set_is_normalised_as_if_it_were_the_whole_batch(
    layout: torch.memory_format, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    norm = norm_of(**options)
    sets = torch.tensor([0, 2, 2, 0, 2])
    norm.shown.sets = sets
    plain = [alone(norm, number) for number in range(3)]
    for _ in range(3):
        features = torch.randn(5, 4, 6, 5, dtype=torch.double) * 3 + sets[:, None, None, None]
        weights = torch.randn_like(features)
        found, gradient = backward(norm, features.to(memory_format=layout), weights)
        for number in (0, 2):
            own = sets == number
            expected = backward(plain[number], features[own], weights[own])
            torch.testing.assert_close((found[own], gradient[own]), expected)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        expected = torch.stack([getattr(one, name) for one in plain])
        torch.testing.assert_close(getattr(norm, name), expected)
    for name, parameter in norm.named_parameters():
        gradients = [dict(plain[number].named_parameters())[name].grad for number in (0, 2)]
        assert parameter.grad is not None
        expected = torch.stack([one for one in gradients if one is not None]).sum(0)
        torch.testing.assert_close(parameter.grad, expected)
    assert norm.num_batches_tracked.tolist() == [3, 0, 3]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_statistics_are_exact_in_low_precision(dtype: torch.dtype) -> None:
    norm, sets = norm_of(2).float(), torch.tensor([0, 1, 0])
    norm.shown.sets = sets
    features = (torch.randn(3, 4, 40, 40) + 60).to(dtype).to(memory_format=torch.channels_last)
    assert norm(features).dtype == dtype
    exact = features.double().transpose(0, 1)
    for number in (0, 1):
        part = exact[:, sets == number].flatten(1)
        torch.testing.assert_close(
            norm.running_var[number].double(), 0.9 + 0.1 * part.var(1), rtol=1e-3, atol=0
        )
        torch.testing.assert_close(
            norm.running_mean[number].double(), 0.1 * part.mean(1), rtol=1e-5, atol=0
        )


def test_a_set_with_one_value_has_its_running_statistics_and_leaves_them() -> None:
    norm = norm_of(2)
    norm.running_mean[1], norm.running_var[1] = 2.0, 4.0
    norm.shown.sets = torch.tensor([0, 1, 0])
    features = torch.randn(3, 4, 1, 1, dtype=torch.double)
    weights = torch.randn_like(features)
    before = copy.deepcopy(alone(norm, 1))
    found, gradient = backward(norm, features, weights)
    expected = backward(before.eval(), features[1:2], weights[1:2])
    torch.testing.assert_close((found[1:2], gradient[1:2]), expected)
    assert norm.running_mean[1].eq(2).all()
    assert norm.running_var[1].eq(4).all()
    assert norm.num_batches_tracked.tolist() == [1, 0]


def test_numbers_that_are_not_finite_stay_in_their_set() -> None:
    norm = norm_of(3)
    norm.shown.sets = torch.tensor([0, 1, 0])
    features = torch.randn(3, 4, 5, 5, dtype=torch.double)
    features[1] = torch.nan
    found, gradient = backward(norm, features, torch.ones_like(features))
    assert found[[0, 2]].isfinite().all()
    assert gradient[[0, 2]].isfinite().all()
    assert norm.running_mean[[0, 2]].isfinite().all()
    assert norm.running_mean[1].isnan().all()


def test_answers_go_by_a_sets_own_statistics_or_by_those_of_all() -> None:
    norm = DatasetBatchNorm2d(nn.BatchNorm2d(1, eps=0.0), Shown(("a", "b"))).eval()
    norm.running_mean.copy_(torch.tensor([[0.0], [2.0]]))
    norm.running_var.copy_(torch.tensor([[1.0], [5.0]]))
    feature = torch.tensor([4.0])[:, None, None, None]
    # All together: the mean is 1; the variance is 3 within the sets and 1 between them.
    assert norm(feature).item() == pytest.approx((4 - 1) / 4**0.5)
    for name, expected in (("a", 4.0), ("b", 2 / 5**0.5), ("other", 1.5), (None, 1.5)):
        with answering_like(norm, name):
            assert norm(feature).item() == pytest.approx(expected)
    with answering_like(norm, "a"):
        norm.shown.sets = torch.tensor([0, 1])
        assert norm(feature.repeat(2, 1, 1, 1)).flatten().tolist() == pytest.approx(
            [4.0, 2 / 5**0.5]
        )
    norm.shown.sets = None
    assert norm(feature).item() == pytest.approx(1.5)


def test_held_statistics_are_used_in_training_and_stay() -> None:
    norm = norm_of(2)
    norm.running_mean.normal_()
    norm.running_var.uniform_(1, 2)
    norm.shown.sets = sets = torch.tensor([1, 0])
    features = torch.randn(2, 4, 3, 3, dtype=torch.double)
    weights = torch.randn_like(features)
    before = norm.running_mean.clone()
    found, gradient = backward(norm.eval(), features, weights)
    for place, number in enumerate(sets.tolist()):
        own = slice(place, place + 1)
        expected = backward(alone(norm, number), features[own], weights[own])
        torch.testing.assert_close((found[own], gradient[own]), expected)
    assert torch.equal(norm.running_mean, before)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 8},
        {"name": "lraspp_mobilenet_v3_large"},
        {"name": "fpn", "encoder": "tf_efficientnet_lite0"},  # norms with an activation
        {
            "name": "transformers/segformer",
            "args": {
                "depths": [1, 1, 1, 1],
                "hidden_sizes": [8, 16, 32, 32],
                "decoder_hidden_size": 16,
            },
        },
    ],
)
def test_every_kind_of_network_starts_as_with_batch_norm(options: dict[str, Any]) -> None:
    plain = build_model(3, ModelConfig(**options)).eval()
    config = ModelConfig(**options, norm="batch_per_dataset")
    network = build_model(3, config, datasets=["a", "b"]).eval()
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, DatasetBatchNorm2d) for norm in norms)
    assert [n for n, _ in network.named_parameters()] == [n for n, _ in plain.named_parameters()]
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    state = plain.state_dict()
    network.load_state_dict({name: state[name].expand(shape) for name, shape in shapes.items()})
    pictures = torch.randint(256, (4, 3, 64, 64), dtype=torch.uint8)
    sets = torch.tensor([1, 0, 0, 1])
    with torch.no_grad():
        expected = plain(pictures)
        torch.testing.assert_close(network(pictures), expected)
        torch.testing.assert_close(network(pictures, datasets=sets), expected)
    logits = network.train()(pictures, datasets=sets)
    logits.square().mean().backward()
    wanted = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in wanted)


def test_a_shared_norm_stays_shared_and_a_passed_network_can_be_passed_again() -> None:
    norm = nn.BatchNorm2d(3)
    network = nn.Sequential(norm, nn.Conv2d(3, 3, 1), norm)
    config = ModelConfig(name="passed", norm="batch_per_dataset")
    segmenter = build_segmenter(network, 3, config, datasets=NAMES)
    assert network[0] is network[2]
    pictures = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    segmenter.train()(pictures, datasets=torch.tensor([0, 1, 2]))
    moved = copy.deepcopy(network[0].state_dict())
    again = build_segmenter(network, 3, config, datasets=NAMES)
    assert network[0].state_dict().keys() == moved.keys()
    assert all(torch.equal(value, moved[name]) for name, value in network[0].state_dict().items())
    assert again.shown is network[0].shown
    build_segmenter(network, 3, config, datasets=("d", "e"))  # other sets: begins with all of them
    expected = moved["running_mean"].mean(0).expand(2, -1)
    torch.testing.assert_close(network[0].running_mean, expected)


def test_a_copy_knows_its_own_pictures() -> None:
    network = build_model(3, PER_DATASET, datasets=["a", "b"])
    other = copy.deepcopy(network)
    other(torch.zeros(2, 3, 16, 16), datasets=torch.tensor([0, 1]))
    assert other.shown is not None
    assert network.shown is not None
    assert network.shown.sets is None
    norms = [part for part in other.modules() if isinstance(part, DatasetBatchNorm2d)]
    assert len(norms) == 18
    assert all(norm.shown is other.shown for norm in norms)


class _Parts(nn.Module):
    """Cuts each picture in two, which go through a norm as if they were pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the pictures."""
        halves = torch.cat(pictures.chunk(2, 2))
        return torch.cat(self.norm(halves).chunk(2), 2)


class _OwnNorm(nn.BatchNorm2d):
    """A batch norm that does something else."""

    def forward(self, input: Tensor) -> Tensor:
        """Return twice the features."""
        return 2 * input


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        (nn.Sequential(nn.Conv2d(3, 3, 1)), "net has no batch norm; say norm: batch"),
        (
            nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm3d(3)),
            "net has a BatchNorm3d, 1, which statistics for each data set are not for; say norm: "
            "batch",
        ),
        (
            nn.Sequential(_OwnNorm(3)),
            "net has a _OwnNorm, 0, which statistics for each data set are not for; say norm: "
            "batch",
        ),
        (
            nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)),
            "net has a batch norm without running statistics, 0, which statistics for each data "
            "set are not for; say norm: batch",
        ),
    ],
)
def test_networks_that_it_is_not_for_are_refused(network: nn.Module, problem: str) -> None:
    with pytest.raises(HarmonizeError) as error:
        norm_per_dataset(network, NAMES, "net")
    assert str(error.value) == f"model.norm: batch_per_dataset: {problem}"


def test_what_a_network_is_not_told_is_asked_for() -> None:
    with pytest.raises(HarmonizeError, match=r"call build_model with datasets=\[NAME, \.\.\.\]$"):
        build_model(3, PER_DATASET)
    network = build_model(3, PER_DATASET, datasets=["a", "b"]).train()
    with pytest.raises(HarmonizeError, match=r"network\(pictures, datasets=batch\.datasets\)$"):
        network(torch.zeros(2, 3, 16, 16))
    parts = Segmenter(_Parts())
    parts.shown = norm_per_dataset(parts, ["a", "b"], "parts")
    with pytest.raises(HarmonizeError, match=r"\(4 parts of 2 pictures\); say norm: batch$"):
        parts(torch.zeros(2, 3, 16, 16), datasets=torch.tensor([0, 1]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("norms"))


NORM = "model.norm=batch_per_dataset"
COMPLETE = "train.complete={from: 0.3, confidence: 0.4, every: 1}"


def config_of(project: Path, name: str, *overrides: str) -> RunConfig:
    return tiny_config(project, project / name, NORM, *overrides)


def test_one_data_set_has_no_use_for_it(project: Path) -> None:
    with pytest.raises(HarmonizeError) as error:
        config_of(project, "one", "datasets.1.train=null")
    assert str(error.value).endswith("model.norm: 1 data set is trained on; say norm: batch")


def test_a_config_whose_network_has_no_batch_norm_is_refused_beforehand(project: Path) -> None:
    overrides = ["model.name=fpn", "model.width=null", "model.encoder=convnext_atto"]
    with pytest.raises(HarmonizeError) as error:
        check_run(config_of(project, "none", *overrides))
    assert str(error.value) == (
        "model.norm: batch_per_dataset: fpn upon convnext_atto has no batch norm; say norm: batch"
    )


@pytest.fixture(scope="module")
def trained(project: Path) -> Path:
    """Return a run with an average and completed labels."""
    config = config_of(project, "run", "train.ema=0.5", COMPLETE, "train.evaluate_every=2")
    return train(config, name="x")


def test_a_resumed_run_equals_an_undisturbed_one(project: Path, trained: Path) -> None:
    options = ["train.ema=0.5", COMPLETE, "train.evaluate_every=2"]
    other = train(config_of(project, "again", *options), name="x")
    last = other / "checkpoints" / "step-00000006.safetensors"
    expected = last.read_bytes()
    state = load_file(last)
    counts = state["model/network.down.0.1.num_batches_tracked"]
    assert counts.tolist() == [6, 6]
    mean = state["model/network.down.0.1.running_mean"]
    assert not torch.allclose(mean[0], mean[1])
    last.unlink()
    train(config_of(project, "again", *options, "train.resume=true"), name="x")
    assert last.read_bytes() == expected
    own = load_file(trained / "checkpoints" / last.name)
    assert all(torch.equal(value, own[name]) for name, value in state.items())


def test_each_set_is_scored_with_its_own_statistics(project: Path) -> None:
    """Those of the other set are spoiled: with any share of them no answer would be finite."""
    config = config_of(project, "scored")
    names = load_sources(config).trained_names
    network = build_model(3, config.model, datasets=names)
    run = Run.open(save_run(network, config, project / "scored"), cpu=True)
    expected = {name: one.scores.iou.tolist() for name, one in run.evaluate().items()}
    for number, name in enumerate(names):
        other = copy.deepcopy(network)
        for part in other.modules():
            if isinstance(part, DatasetBatchNorm2d):
                part.running_mean[1 - number] = torch.nan
        spoiled = Run.open(save_run(other, config, project / f"spoiled-{name}"), cpu=True)
        assert spoiled.evaluate(name)[name].scores.iou.tolist() == expected[name]
        picture = project / "fine_data" / "11.png"
        found = spoiled.predict(picture, like=name).map
        assert (found == run.predict(picture, like=name).map).all()


def test_predict_normalises_like_a_set_that_is_named(project: Path, tmp_path: Path) -> None:
    config = config_of(project, "asked")
    network = build_model(3, config.model, datasets=load_sources(config).trained_names)
    for part in network.modules():
        if isinstance(part, DatasetBatchNorm2d):
            part.running_mean[1] = 0.5 * torch.randn_like(part.running_mean[1])
    run = save_run(network, config, project / "asked")
    picture = str(project / "fine_data" / "11.png")
    answers: dict[str, bytes] = {}
    for name in ("fine", "coarse", None):
        words = [] if name is None else ["--like", name]
        out = tmp_path / str(name)
        assert main(["predict", str(run), picture, "-o", str(out), "--no-overlay", *words]) == 0
        legend = (out / "legend.json").read_text()
        assert (f'"like": "{name}"' in legend) == (name is not None)
        shown = Run.open(run, cpu=True).predict(picture, like=name, probabilities=True)
        assert shown.probabilities is not None
        answers[str(name)] = shown.probabilities.tobytes()
    assert len(set(answers.values())) == 3


def test_predict_refuses_a_set_that_was_not_trained_on(
    project: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(trained), str(project / "fine_data" / "11.png"), "-o", str(tmp_path)]
    with pytest.raises(SystemExit):
        main([*words, "--like", "fin"])
    assert capsys.readouterr().err.strip() == (
        "error: --like fin: the run was not trained on such a data set; did you mean fine?"
    )
    with pytest.raises(SystemExit):
        main([*words, "--like", "other", "--confidence", "0.9"])
    assert "--like other" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "parts"), [(2, 1)])
def test_statistics_are_those_of_all_processes(project: Path, number: int, parts: int) -> None:
    [alone_] = [ended.found for ended in run_group(1, scenarios.step, project, 1, NORM)]
    ranks = [ended.found for ended in run_group(number, scenarios.step, project, parts, NORM)]
    expected = torch.tensor(alone_["gradient"])
    for found in ranks:
        assert found["counts"] == alone_["counts"]
        assert found["loss"] == pytest.approx(alone_["loss"], rel=1e-5)
        difference = (torch.tensor(found["gradient"]) - expected).norm() / expected.norm()
        assert difference < 1e-4
