"""Pictures that are looked at several times, at several sizes, mirrored, or in full."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize import HarmonizeError
from harmonize.api.run import Run
from harmonize.cli import main
from harmonize.decoding import strips
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.models.segmenter import Segmenter
from harmonize.models.unet import UNet
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project

MIRROR = torch.tensor([0, 2, 1])  # background, left, right


@pytest.fixture
def network() -> TiledNetwork:
    torch.manual_seed(0)
    return TiledNetwork(Segmenter(UNet(3, 8)), Accelerator(cpu=True))


@pytest.fixture
def picture() -> Tensor:
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    large = np.array(Image.fromarray(noise).resize((70, 50), Image.Resampling.BICUBIC))
    return torch.from_numpy(large).permute(2, 0, 1)


def probabilities(network: TiledNetwork, seen: Tensor, size: tuple[int, int]) -> Tensor:
    with torch.inference_mode():
        logits = network.logits(seen)[None].float()
        whole = torch.nn.functional.interpolate(logits, size=size, mode="bilinear")[0]
        return whole.softmax(0)


@pytest.mark.parametrize("strip", [None, 3 * 70 * 7])
def test_views_are_averaged_with_left_and_right_exchanged(
    network: TiledNetwork, picture: Tensor, strip: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if strip is not None:
        monkeypatch.setitem(strips.STRIP, "cpu", strip)
    size = (50, 70)
    views = Views(40, (0.5, 1.0), flip=True)
    assert len(views) == 4
    viewed = ViewedNetwork(network, views, MIRROR)
    with torch.inference_mode():
        found = [*viewed.averaged(picture, size)]
    assert (len(found) > 3) == (strip is not None)
    expected = torch.zeros(3, *size)
    for side in ([20, 28], [40, 56]):
        seen = F.resize(picture, side, antialias=True)
        expected += probabilities(network, seen, size) / 4
        mirrored = probabilities(network, seen.flip(-1), size)
        expected += mirrored[[0, 2, 1]].flip(-1) / 4
    whole = torch.cat([part for _, part in found], 1).exp()
    assert [first for first, _ in found] == np.cumsum(
        [0, *(part.shape[1] for _, part in found[:-1])]
    ).tolist()
    assert torch.allclose(whole, expected, atol=1e-5)


def test_views_are_as_large_as_their_factor_says() -> None:
    assert Views(100, (0.5, 1.0, 1.26)).sizes(7) == (50, 100, 126)
    assert Views("full", (0.5, 1.0)).sizes(7) == (4, 7)
    assert Views("full", (0.5,)).read_at is None
    assert Views(100, (0.5, 2.0)).read_at == 200
    assert Views(100).is_one
    assert not Views(100, (2.0,)).is_one


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("views"))
    config = tiny_config(project, project / "run", "train.steps=20")
    return train(config, name="tiny")


def scores(run: Path, file: Path, *changes: str) -> dict[str, list[list[int]]]:
    assert main(["evaluate", str(run), "--json", str(file), *changes]) == 0
    sets = json.loads(file.read_text())["datasets"]
    return {name: one["confusion"]["counts"] for name, one in sets.items()}


def test_full_size_is_the_picture_s_own(run: Path, tmp_path: Path) -> None:
    full = scores(run, tmp_path / "full.json", "evaluate.size=full")
    own = scores(run, tmp_path / "own.json", "evaluate.size=20")  # the pictures are 24 x 20
    assert full["fine"] == own["fine"]
    half = scores(run, tmp_path / "half.json", "evaluate.size=10")
    assert half["fine"] != own["fine"]


def test_what_is_scored_in_views_is_what_is_answered_in_views(run: Path, tmp_path: Path) -> None:
    changes = ["evaluate.size=16", "evaluate.flip=true", "evaluate.scales=[0.75, 1.5]"]
    counts = np.array(scores(run, tmp_path / "views.json", *changes)["fine"])
    plain = np.array(scores(run, tmp_path / "plain.json", "evaluate.size=16")["fine"])
    assert counts.sum() == plain.sum()
    project = run.parent
    answers = np.zeros_like(counts)
    opened = Run.open(run)
    for number in range(10, 15):
        found = opened.predict(
            project / "fine_data" / f"{number}.png",
            as_="fine",
            size=16,
            scales=(0.75, 1.5),
            flip=True,
        ).map
        truth = np.asarray(Image.open(project / "fine_data" / f"{number}_ids.png"))
        for true, answer in zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True):
            if true < 3:
                answers[true, answer] += 1
    assert answers.tolist() == counts.tolist()


def test_predict_takes_views_and_says_so_in_the_legend(run: Path, tmp_path: Path) -> None:
    picture = run.parent / "fine_data" / "11.png"
    words = ["predict", str(run), str(picture), "-o", str(tmp_path / "out")]
    assert main([*words, "--flip", "--scales", "1", "2", "--size", "16"]) == 0
    legend = json.loads((tmp_path / "out" / "legend.json").read_text())
    assert (legend["size"], legend["scales"], legend["flip"]) == (16, [1.0, 2.0], True)
    assert legend["decode"] == "tree"


def test_a_view_of_no_size_is_refused(run: Path) -> None:
    with pytest.raises(HarmonizeError, match="--scales 0: a factor of the size, above 0"):
        Run.open(run).predict(run.parent / "fine_data" / "11.png", scales=(0.0,))
