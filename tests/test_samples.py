"""Samples and batches of several data sets mixed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dataset_files import make_space, make_spec, photograph, save, shipped, write_helen, write_lfw
from harmonize.config.augment_config import AugmentConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Treatment
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder
from harmonize.data.samples import Batch, MixedSamples, collate, least_side
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

ALL: dict[str, Any] = {
    "scale": (0.5, 2.0),
    "rotate": 30.0,
    "shear": 10.0,
    "stretch": 1.5,
    "perspective": 0.2,
    "gamma": 1.5,
    "grey": 0.5,
    "blur": 1.0,
    "noise": 5.0,
    "cutout": 1,
    "paste": 0.5,
}
"""Every change to training pictures."""


@pytest.fixture(scope="module")
def faces(
    repo: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[SegmentationDataset], TargetSpace]:
    """Return three pictures of Helen, two of LFW Parts, and their target space."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(5)
    for number in range(3):
        masks = rng.integers(256, size=(11, 20 + number, 26))
        write_helen(root / "helen", f"{number}_1", masks)
    for number in range(2):
        write_lfw(root / "lfw_parts", "Ada", number, rng.integers(3, size=(24, 24)), "ppm")
    specs = [shipped(repo, name) for name in ("helen", "lfw_parts")]
    datasets = [SegmentationDataset(spec, "train", root=root / spec.name) for spec in specs]
    return datasets, make_space(repo, "faces", *specs)


def mixed(
    faces: tuple[list[SegmentationDataset], TargetSpace], *, seed: int = 0, **config: object
) -> MixedSamples:
    """Return the samples of a run on Helen and LFW Parts, of 16 x 16 pixels."""
    datasets, space = faces
    augmentation = AugmentConfig(**{"scale": (0.5, 1.0), "color": 0.3, **config})  # type: ignore[arg-type]
    order = MixedOrder([len(dataset) for dataset in datasets], [1, 1], seed=seed)
    treatments = [Treatment(augmentation, 16)] * len(datasets)
    return MixedSamples(datasets, order, space, treatments=treatments, size=16)


def same(one: Batch, other: Batch) -> bool:
    """Say whether two batches hold the same numbers in the same types."""
    names = ("pictures", "codes", "datasets")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("config", [{}, ALL], ids=["some", "all"])
def test_a_position_gives_the_same_tensors_whichever_process_reads_it(
    faces: tuple[list[SegmentationDataset], TargetSpace], config: dict[str, Any]
) -> None:
    samples, batches = mixed(faces, **config), [[0, 1, 2, 3], [4], [5, 6], [40, 41, 0]]
    alone = list(load(samples, batches, collate, workers=0))
    shared = list(load(samples, batches, collate, workers=2))
    assert [batch.datasets.numel() for batch in shared] == [4, 1, 2, 3]
    for batch, other, positions in zip(alone, shared, batches, strict=True):
        assert same(batch, other)
        assert same(batch, collate([mixed(faces, **config)[position] for position in positions]))


def test_a_batch_has_bytes_for_pictures_and_codes_of_the_space(
    faces: tuple[list[SegmentationDataset], TargetSpace],
) -> None:
    batch = collate([mixed(faces)[position] for position in range(6)])
    assert batch.pictures.shape == (6, 3, 16, 16)
    assert batch.codes.shape == (6, 16, 16)
    assert (batch.pictures.dtype, batch.codes.dtype) == (torch.uint8, torch.uint8)
    assert sorted(batch.datasets.tolist()) == [0, 0, 0, 1, 1, 1]
    # Helen's pixels hold leaves, those of LFW Parts nothing but background, face and hair.
    coarse = set(batch.codes[batch.datasets == 1].unique().tolist())
    assert set(batch.codes[batch.datasets == 0].unique().tolist()) == set(range(11))
    assert coarse == {0, 1, faces[1].code("face")}


def test_positions_and_seeds_give_different_samples(
    faces: tuple[list[SegmentationDataset], TargetSpace],
) -> None:
    first, other = mixed(faces, seed=0), mixed(faces, seed=1)
    pictures = [samples[position].pictures for samples in (first, other) for position in range(10)]
    distinct = {picture.numpy().tobytes() for picture in pictures}
    assert len(distinct) == len(pictures)


def test_a_flipped_sample_has_left_and_right_exchanged(
    faces: tuple[list[SegmentationDataset], TargetSpace], tmp_path: Path, repo: Path
) -> None:
    spec, space = shipped(repo, "helen"), faces[1]
    classes = np.random.default_rng(0).integers(11, size=(16, 16))
    write_helen(tmp_path, "a", 255 * (classes == np.arange(11)[:, None, None]))
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    flipped, straight = (
        MixedSamples(
            [dataset],
            MixedOrder([1], [1], seed=0),
            space,
            treatments=[Treatment(AugmentConfig(flip=chance, scale=(1.0, 1.0)), 16)],
            size=16,
        )[0]
        for chance in (1.0, 0.0)
    )
    codes = space.class_codes("helen")
    assert torch.equal(straight.pictures[0], dataset[0].picture)
    assert straight.codes[0].tolist() == codes[classes].tolist()
    exchanged = np.array([0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10])  # brows and eyes
    assert torch.equal(flipped.pictures[0], dataset[0].picture.flip(2))
    assert flipped.codes[0].tolist() == codes[exchanged[classes]][:, ::-1].tolist()


@pytest.mark.parametrize(("leaves", "dtype", "ignore"), [(3, "uint8", 255), (250, "int16", 32767)])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_codes_have_the_type_of_the_space_and_void_is_ignored(
    tmp_path: Path, leaves: int, dtype: str, ignore: int, flip: float
) -> None:
    tree = Ontology("\n".join(f"n{number}" for number in range(leaves)), name="wide")
    spec = make_spec(
        "{one: 0, last: 1, void: 9}", f"{{wide: {{one: n0, last: n{leaves - 1}, void: ignore}}}}"
    )
    save(tmp_path / "a.png", photograph(2, 2))
    save(tmp_path / "a_label.png", [[0, 1], [1, 9]])
    space = TargetSpace(tree, [spec])
    assert (np.dtype(space.dtype).name, space.ignore) == (dtype, ignore)
    samples = MixedSamples(
        [SegmentationDataset(spec, "all", root=tmp_path)],
        MixedOrder([1], [1], seed=0),
        space,
        treatments=[Treatment(AugmentConfig(flip=flip), 2)],
        size=2,
    )
    codes = samples[0].codes
    assert str(codes.dtype) == f"torch.{dtype}"
    straight = [[0, leaves - 1], [leaves - 1, ignore]]
    expected = [row[::-1] for row in straight] if flip else straight
    assert codes[0].tolist() == expected


def test_a_batch_moves_whole(faces: tuple[list[SegmentationDataset], TargetSpace]) -> None:
    batch = mixed(faces)[3]
    assert same(batch.to(torch.device("cpu")), batch)
    moved = batch.to(torch.device("meta"))
    assert {t.device.type for t in (moved.pictures, moved.codes, moved.datasets)} == {"meta"}
    assert moved.codes.dtype == batch.codes.dtype


@pytest.mark.parametrize(
    ("config", "side"),
    [
        ({}, 16),
        ({"scale": (0.5, 1.0)}, 32),
        ({"scale": (2.0, 3.0)}, 8),
        ({"stretch": 4.0}, 32),
        ({"perspective": 0.5}, 32),
        ({"rotate": 90.0, "paste": 1.0}, 16),
    ],
)
def test_pictures_are_read_large_enough_for_the_smallest_crop(
    config: dict[str, object], side: float
) -> None:
    assert least_side(AugmentConfig(**config), 16) == side  # type: ignore[arg-type]
