"""Pictures and labels on disk to class numbers, codes and training samples."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize.config.run_config import AugmentConfig
from harmonize.config.strict_yaml import Value, load_text
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder
from harmonize.data.samples import Batch, MixedSamples, collate
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

IGNORE = 255
LFW_COLOURS = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], dtype=np.uint8)


def save(path: Path, pixels: np.ndarray | list[list[int]]) -> None:
    """Write a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def photograph(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Return a random picture."""
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


def write_helen(root: Path, name: str, masks: np.ndarray) -> None:
    """Append a picture and its masks (11, H, W) to the training list of Helen."""
    save(root / "images" / f"{name}.jpg", photograph(*masks.shape[1:]))
    for number, mask in enumerate(masks):
        save(root / "labels" / name / f"{name}_lbl{number:02d}.png", mask)
    with (root / "exemplars.txt").open("a") as lines:
        lines.write(f"{len(list((root / 'images').iterdir()))} , {name}\n")


def write_lfw(root: Path, person: str, number: int, classes: np.ndarray, ending: str) -> None:
    """Append a picture and its colours to the training list of LFW Parts."""
    name = f"{person}_{number:04d}"
    save(root / "lfw_funneled" / person / f"{name}.jpg", photograph(*classes.shape, seed=number))
    save(root / "parts_lfw_funneled_gt_images" / f"{name}.{ending}", LFW_COLOURS[classes])
    with (root / "parts_train.txt").open("a") as lines:
        lines.write(f"{person} {number}\n")


def shipped(repo: Path, name: str, override: dict[str, Value] | None = None) -> DatasetSpec:
    """Load one of the shipped mappings."""
    return DatasetSpec.from_file(repo / "datasets" / f"{name}.yaml", override)


def make_spec(classes: str, meaning: str, options: str = "") -> DatasetSpec:
    """Return a mapping of grey ids whose every picture lies in one folder."""
    text = f"""
name: tiny
picture: "{{id}}.*"
label: "{{id}}_label.png"
encoding: ids
{options}
splits: {{all: {{glob: "{{id}}_label.png"}}}}
classes: {classes}
meaning: {meaning}
"""
    return DatasetSpec.from_document(load_text(text, "tiny.yaml"))


def make_space(repo: Path, tree: str, *specs: DatasetSpec) -> TargetSpace:
    """Return the target space of some mappings on a shipped tree."""
    return TargetSpace(Ontology.from_file(repo / "trees" / f"{tree}.txt"), specs)


def codes_of(dataset: SegmentationDataset, space: TargetSpace, number: int = 0) -> list[list[int]]:
    """Return the code of each pixel of a label."""
    return space.class_codes(dataset.spec.name)[dataset[number].classes.numpy()].tolist()


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        # background, skin, brows, eyes, nose, upper lip, inner mouth, lower lip, hair
        ("faces", [0, 5, 9, 10, 7, 8, 6, 2, 3, 4, 1]),
        # Here background and skin are unions of leaves, the first codes after the 21 leaves.
        ("faces_full", [21, 22, 10, 11, 8, 9, 7, 3, 4, 5, 1]),
    ],
)
def test_helen_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, tree: str, expected: list[int]
) -> None:
    classes = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 0]])
    masks = np.where(classes == np.arange(11)[:, None, None], 200, 7)
    masks[:, 2, 3] = [90, 120, 0, 0, 120, 0, 0, 0, 0, 0, 120]  # a tie of 1, 4 and 10
    classes[2, 3] = 1
    write_helen(tmp_path, "100032540_1", masks)
    write_helen(tmp_path, "10_2", np.zeros((11, 2, 5)))
    spec = shipped(repo, "helen")
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == classes.tolist()
    assert codes_of(dataset, make_space(repo, tree, spec)) == np.array(expected)[classes].tolist()
    assert dataset[1].classes.tolist() == np.zeros((2, 5)).tolist()


@pytest.mark.parametrize(
    ("ending", "override"),
    [
        ("ppm", None),
        ("png", None),
        ("png", {"label": "parts_lfw_funneled_gt_images/{person}_{number:04d}.png"}),
    ],
)
def test_lfw_parts_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, ending: str, override: dict[str, Value] | None
) -> None:
    write_lfw(tmp_path, "Ada_Example", 7, np.array([[0, 1, 2], [2, 1, 0]]), ending)
    write_lfw(tmp_path, "Ben", 12, np.array([[1, 1]]), ending)
    spec = shipped(repo, "lfw_parts", override)
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    space = make_space(repo, "faces", spec)
    face = space.code(["mouth", "skin", "eyes", "eyebrows"])
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert face == 11  # the first code after the leaves
    assert codes_of(dataset, space) == [[0, face, 1], [1, face, 0]]
    assert codes_of(dataset, space, 1) == [[face, face]]


def test_an_override_of_one_key_names_the_files_that_it_asks_for(
    repo: Path, tmp_path: Path
) -> None:
    write_lfw(tmp_path, "Ada_Example", 7, np.array([[0, 1, 2]]), "png")
    label = "parts_lfw_funneled_gt_images/{person}_{number:04d}.ppm"
    with pytest.raises(HarmonizeError) as caught:
        SegmentationDataset(shipped(repo, "lfw_parts", {"label": label}), "train", root=tmp_path)
    assert "1 files of lfw_parts are missing" in str(caught.value)
    assert "parts_lfw_funneled_gt_images/Ada_Example_0007.ppm" in str(caught.value)


@pytest.mark.parametrize("split", ["train", "all"])
def test_face_synthetics_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, split: str
) -> None:
    ids = np.array([[*range(10)], [*range(10, 19), 255]])
    for number in range(2):
        save(tmp_path / f"{number:06d}.png", photograph(2, 10, seed=number))
        save(tmp_path / f"{number:06d}_seg.png", np.roll(ids, number))
        (tmp_path / f"{number:06d}_ldmks.txt").write_text("0 0\n")
    spec = shipped(repo, "face_synthetics", {"splits.train.range": [0, 1]})
    dataset = SegmentationDataset(spec, split, root=tmp_path)
    space = make_space(repo, "faces", spec)
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == [[*range(10)], [*range(10, 20)]]
    assert dataset[1].classes.tolist() == [[19, *range(9)], [*range(9, 19)]]
    beard, glasses = space.code(["hair", "face_skin"]), space.code("face")
    facewear = space.code(["background", "face"])
    assert len({beard, glasses, facewear, *range(11)}) == 14
    assert codes_of(dataset, space) == [
        # background, skin, nose, eyes (right first), brows, ears, inner mouth
        [0, 5, 6, 8, 7, 10, 9, 0, 0, 3],
        # lips, neck, hair, beard, clothing, glasses, headwear, facewear, ignore
        [2, 4, 0, 1, beard, 0, glasses, 0, facewear, IGNORE],
    ]


def test_camvid_reads_to_exact_classes_and_codes(repo: Path, tmp_path: Path) -> None:
    ids = np.arange(12).reshape(3, 4)
    for split, name, ending in (
        ("train", "0001TP_006690", "png"),
        ("val", "0016E5_07959", "jpg"),
    ):
        save(tmp_path / split / f"{name}.{ending}", photograph(3, 4))
        save(tmp_path / f"{split}annot" / f"{name}.png", ids)
    spec = shipped(repo, "camvid")
    for split in ("train", "val"):
        dataset = SegmentationDataset(spec, split, root=tmp_path)
        assert len(dataset) == 1
        assert dataset[0].classes.tolist() == ids.tolist()
        # sky building pole road; pavement tree sign fence; car pedestrian bicyclist void
        expected = [[4, 2, 6, 0], [1, 5, 7, 3], [8, 9, 10, IGNORE]]
        assert codes_of(dataset, make_space(repo, "camvid", spec)) == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_every_kind_of_picture_becomes_three_channels_of_bytes(tmp_path: Path, mode: str) -> None:
    pixels = photograph(4, 6)
    source = Image.fromarray(pixels).convert(mode)
    source.save(tmp_path / "a.tif")
    save(tmp_path / "a_label.png", np.zeros((4, 6)))
    dataset = SegmentationDataset(make_spec("{one: 0}", "{}"), "all", root=tmp_path)
    picture = dataset[0].picture
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 4, 6)
    np.testing.assert_array_equal(picture.permute(1, 2, 0), np.asarray(source.convert("RGB")))
    if mode == "RGB":
        np.testing.assert_array_equal(picture.permute(1, 2, 0), pixels)


def test_a_label_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photograph(4, 6))
    save(tmp_path / "a_label.png", np.zeros((6, 4)))
    dataset = SegmentationDataset(make_spec("{one: 0}", "{}"), "all", root=tmp_path)
    with pytest.raises(HarmonizeError) as caught:
        dataset[0]
    assert str(caught.value) == (
        f"{tmp_path}/a.png: 6 x 4 pixels, but its label a_label.png has 4 x 6; a sample of tiny, "
        "all: mend it, or go on without such by data.on_bad_sample=skip"
    )


def test_a_picture_is_scaled_to_its_label_where_the_mapping_says_so(tmp_path: Path) -> None:
    halves = np.zeros((4, 6, 3), dtype=np.uint8)
    halves[:, :2], halves[:, 2:4, 1], halves[::2, 4:] = (10, 20, 30), 200, 100
    save(tmp_path / "a.png", halves)
    save(tmp_path / "a_label.png", [[0, 1, 0], [0, 0, 1]])
    spec = make_spec("{zero: 0, one: 1}", "{}", "resize_picture: true")
    sample = SegmentationDataset(spec, "all", root=tmp_path)[0]
    # Each pixel is the mean of two by two.
    row = [[10, 20, 30], [0, 200, 0], [50, 50, 50]]
    assert sample.picture.permute(1, 2, 0).tolist() == [row, row]
    assert sample.classes.tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("size", [(4, 6), (8, 3), (2, 2)])
def test_a_scaled_picture_has_the_size_of_its_label(tmp_path: Path, size: tuple[int, int]) -> None:
    save(tmp_path / "a.png", photograph(4, 6))
    save(tmp_path / "a_label.png", np.zeros(size))
    spec = make_spec("{one: 0}", "{}", "resize_picture: true")
    picture = SegmentationDataset(spec, "all", root=tmp_path)[0].picture
    assert picture.shape == (3, *size)
    if size == (4, 6):  # left as it is
        np.testing.assert_array_equal(picture.permute(1, 2, 0), photograph(4, 6))


def write_class_file(root: Path, *names: str) -> None:
    """Write a picture with the ids 2, 0, 1 and the file that says which classes these are."""
    save(root / "a.png", photograph(1, 3))
    save(root / "a_label.png", [[2, 0, 1]])
    (root / "config.json").write_text(json.dumps({"labels": [{"name": name} for name in names]}))


def test_a_class_file_gives_the_ids_of_the_classes(tmp_path: Path) -> None:
    write_class_file(tmp_path, "road", "void", "sky")
    meaning = "{wide: {sky: n0, void: ignore, road: n1}}"
    spec = make_spec("{sky: ~, void: ~, road: ~}", meaning, "class_file: {json: config.json}")
    dataset = SegmentationDataset(spec, "all", root=tmp_path)
    assert dataset[0].classes.tolist() == [[0, 2, 1]]
    assert [one.values for one in dataset.spec.classes.values()] == [(2,), (1,), (0,)]
    assert [one.values for one in spec.classes.values()] == [()] * 3
    space = TargetSpace(Ontology("n0\nn1", name="wide"), [spec])
    assert codes_of(dataset, space) == [[0, 1, IGNORE]]


def test_a_class_file_with_other_classes_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    write_class_file(tmp_path, "road", "void", "sky", "hill")
    spec = make_spec("{sky: ~, void: ~, road: ~}", "{}", "class_file: {json: config.json}")
    with pytest.raises(HarmonizeError) as caught:
        SegmentationDataset(spec, "all", root=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/config.json: the class 'hill' is not in the mapping; add it to `classes`"
    )


@pytest.mark.parametrize("file", ["a.jpg", "a.png", "a_label.png"])
def test_a_file_cut_short_is_named(tmp_path: Path, file: str) -> None:
    picture = tmp_path / (file if file != "a_label.png" else "a.png")
    save(picture, photograph(40, 40))
    save(tmp_path / "a_label.png", np.random.default_rng(0).integers(2, size=(40, 40)))
    dataset = SegmentationDataset(make_spec("{zero: 0, one: 1}", "{}"), "all", root=tmp_path)
    assert dataset[0].picture.shape == (3, 40, 40)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(HarmonizeError) as caught:
        dataset[0]
    assert str(caught.value).startswith(f"{tmp_path}/{file}: not a readable picture: ")


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
    return MixedSamples(datasets, order, space, config=augmentation, size=16)


def same(one: Batch, other: Batch) -> bool:
    """Say whether two batches hold the same numbers in the same types."""
    names = ("pictures", "codes", "datasets")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_position_gives_the_same_tensors_whichever_process_reads_it(
    faces: tuple[list[SegmentationDataset], TargetSpace],
) -> None:
    samples, batches = mixed(faces), [[0, 1, 2, 3], [4], [5, 6], [40, 41, 0]]
    alone = list(load(samples, batches, collate, workers=0))
    shared = list(load(samples, batches, collate, workers=2))
    assert [batch.datasets.numel() for batch in shared] == [4, 1, 2, 3]
    for batch, other, positions in zip(alone, shared, batches, strict=True):
        assert same(batch, other)
        assert same(batch, collate([mixed(faces)[position] for position in positions]))


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
            config=AugmentConfig(flip=chance, scale=(1.0, 1.0)),
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
        config=AugmentConfig(flip=flip),
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
