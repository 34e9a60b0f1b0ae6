"""What views say of the answers of networks whose answers can be told by hand."""

import dataclasses
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from decoders import by_tree
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import Views
from harmonize.inference.answer_space import AnswerSpace, groups, leaves
from harmonize.labels.sources import load_sources
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.unseen import looking
from harmonize.unseen.looking import Judge, Looker
from harmonize.unseen.unlabelled_pictures import Read, UnlabelledPictures
from tiny import tiny_config, write_project


class ByColour(nn.Module):
    """Answers by the colour of a pixel alone: green background, red left, blue right."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits of 8 where a colour is full."""
        return 8 * pictures[:, [1, 0, 2]]


class BySize(nn.Module):
    """Answers background in pictures of more than 10 rows, else left."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits of 2 and 0."""
        logits = torch.zeros(len(pictures), 3, *pictures.shape[2:])
        logits[:, int(pictures.shape[2] <= 10)] = 2
        return logits


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("looking"))


@pytest.fixture
def space(project: Path) -> AnswerSpace:
    sources = load_sources(tiny_config(project, "run"))
    return leaves(sources, by_tree(sources))


def looker(
    network: nn.Module, space: AnswerSpace, *, size: int | str, crop: bool = False
) -> Looker:
    plain = Traits(mean=(0.0,) * 3, std=(1.0,) * 3, reach=0)
    model = TiledNetwork(Segmenter(network, plain), Accelerator(cpu=True))
    views = Views(size, looking.SCALES, flip=True)
    return Looker(model, space, torch.tensor([0, 2, 1]), views, crop=crop)


def colours(*columns: int) -> Tensor:
    """Return a picture of 8 rows whose columns are of these channels."""
    picture = torch.zeros(3, 8, len(columns), dtype=torch.uint8)
    picture[torch.tensor(columns), :, torch.arange(len(columns))] = 255
    return picture


def test_leaves_that_a_mirror_exchanges_agree_where_sides_are_known(
    space: AnswerSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that knows no side answers red as left in both views; mirrored, that is right."""
    monkeypatch.setattr(looking, "SCALES", (1.0,))
    counts = looker(ByColour(), space, size=8).count(Read(colours(*[1] * 6, *[0] * 3, 2)))
    sure = torch.tensor([8.0, 0, 0]).softmax(0)[0].item()
    assert counts[:, 0].tolist() == [48, 24, 8]
    assert counts[:, 2].tolist() == pytest.approx([48 * sure, 24 * sure, 8 * sure])
    assert counts[:, 3].tolist() == [48, 0, 0]
    assert counts[:, 4].tolist() == [48, 0, 0]


def test_groups_agree_where_their_leaves_are_exchanged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "SCALES", (1.0,))
    sources = load_sources(tiny_config(project, "run"))
    things = groups(sources, by_tree(sources), 1)
    counts = looker(ByColour(), things, size=8).count(Read(colours(*[1] * 6, *[0] * 4)))
    assert counts[:, 0].tolist() == [48, 32]
    assert counts[:, 3].tolist() == [48, 32]


def test_an_answer_that_changes_with_size_is_not_steady(space: AnswerSpace) -> None:
    """At 8, 6 and 10 rows it is left, which its mirror image is not."""
    grey = Read(torch.full((3, 8, 8), 128, dtype=torch.uint8))
    assert looker(BySize(), space, size=8).count(grey)[:, 3].tolist() == [0, 0, 0]
    counts = looker(BySize(), space, size=12).count(grey)  # 12, 9 and 15 rows
    assert counts[:, 0].tolist() == [64, 0, 0]
    assert counts[:, 3].tolist() == [64, 0, 0]
    assert counts[:, 4].tolist() == [0, 0, 0]


def test_confidence_goes_by_temperatures(space: AnswerSpace) -> None:
    warm = dataclasses.replace(space, temperatures=torch.tensor([2.0, 4.0, 8.0]).numpy())
    grey = Read(torch.full((3, 8, 8), 128, dtype=torch.uint8))
    counts = looker(BySize(), warm, size=12).count(grey)
    sure = torch.tensor([1.0, 0, 0]).softmax(0)[0].item()  # logits of 2 at temperature 2
    assert counts[0, 2].item() == pytest.approx(64 * sure)


def test_right_answers_are_counted_where_labels_judge(space: AnswerSpace) -> None:
    labels = torch.zeros(8, 10, dtype=torch.int64)
    labels[:, 6:] = 1
    labels[0] = 3  # ignored
    judge = Judge.of(torch.eye(4, 3, dtype=torch.bool), torch.from_numpy(space.masks))
    picture = colours(*[1] * 5, *[0] * 5)  # one column of background is answered left
    counts = looker(ByColour(), space, size=8).count(Read(picture, labels), judge)
    assert counts[:, 0].tolist() == [35, 35, 0]
    assert counts[:, 1].tolist() == [35, 28, 0]


def test_only_the_centre_square_is_looked_at_where_scoring_crops(space: AnswerSpace) -> None:
    picture = Read(colours(0, *[1] * 8, 0))
    assert looker(ByColour(), space, size=8, crop=True).count(picture)[:, 0].tolist() == [64, 0, 0]
    assert looker(ByColour(), space, size=8).count(picture)[:, 0].tolist() == [64, 16, 0]


def test_pictures_are_looked_at_in_full_where_scoring_does(space: AnswerSpace) -> None:
    """Of 8 rows the views have 8, 6 and 10."""
    grey = Read(torch.full((3, 8, 12), 128, dtype=torch.uint8))
    assert looker(BySize(), space, size="full").count(grey)[:, 0].tolist() == [0, 96, 0]


def test_labels_judge_the_answers_that_they_lie_inside() -> None:
    """A label of the leaves b and c shows only where b is wrong, never where it is right."""
    coarse = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)
    answers = torch.eye(3, dtype=torch.bool)
    judge = Judge.of(coarse, answers)
    assert judge.counts.tolist() == [[True, False, False]] * 2 + [[False] * 3]
    assert judge.right.tolist() == [[True, False, False], [False] * 3, [False] * 3]
    both = torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=torch.bool)
    judge = Judge.of(coarse, both)
    assert judge.counts.tolist() == [[True, True], [True, True], [False, False]]
    assert judge.right.tolist() == [[True, False], [False, True], [False, False]]
    only_b = torch.tensor([[0, 1, 0]], dtype=torch.bool)  # a is never labelled, so never right
    assert Judge.of(only_b, answers).counts.tolist() == [[False, True, False]]


def test_pictures_are_read_turned_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "broken.png").write_text("no picture")
    found = UnlabelledPictures([tmp_path / "turned.jpg", tmp_path / "broken.png"], "apply", 4)
    assert len(found) == 2
    picture = found[0].picture
    assert picture is not None
    assert tuple(picture.shape) == (3, 6, 4)
    assert found[1].picture is None
    assert "broken.png" in found[1].problem
