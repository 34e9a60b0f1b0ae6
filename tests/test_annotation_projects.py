"""Answers written as annotations: every tool's reader, and our own, gives the same pixels."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw

from annotated_sets import brush, rle
from decoders import flat_decoder
from harmonize import DatasetSpec, HarmonizeError, Ontology, cli
from harmonize.data.dataset import SegmentationDataset
from harmonize.inference.annotations.parts import CRUMB, parts_of
from harmonize.inference.annotations.project import Project, read_answer
from harmonize.inference.answer_space import AnswerLabel, AnswerSpace
from harmonize.inference.drawing import draw_answer
from harmonize.inference.inputs import Wanted
from harmonize.inference.write_answers import Output
from harmonize.labels.brush_rle import encode_brush
from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.rle import write_runs
from label_maps import LABEL_MAPS

FORMATS = ["coco", "labelme", "label-studio", "cvat"]
NAMES = ["background", "a & b", "no", 'q"uote <x>']
FLAT = Ontology("background\nw0\nw1\nw2\nw3\n", name="flat")
COLORS = [(0, 0, 0), (10, 20, 30), (30, 20, 10), (200, 100, 0)]


def made_space(*, encoding: str = "ids", first: str = "background") -> AnswerSpace:
    values = [7, 0, 300, 4] if encoding == "ids" else [0x010203, 0x030201, 0xFF0000, 5]
    labels = tuple(
        AnswerLabel(name, value, (first,) if name == NAMES[0] else (f"w{place}",), 1, color)
        for place, (name, value, color) in enumerate(zip(NAMES, values, COLORS, strict=True))
    )
    masks = np.eye(4, dtype=bool)
    return AnswerSpace("leaves", labels, masks, flat_decoder(4), encoding=ENCODINGS[encoding])


def make(
    folder: Path,
    kind: str,
    maps: dict[str, np.ndarray],
    space: AnswerSpace | None = None,
    *,
    tree: Ontology = FLAT,
) -> Project:
    """Write pictures, their answers as ``predict`` does, and a project of them."""
    space = made_space() if space is None else space
    wanted = [Wanted(folder / "in" / f"{name}.png", Path(name)) for name in maps]
    output = Output(folder / "out", overlays=False)
    for one, numbers in zip(wanted, maps.values(), strict=True):
        one.path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", numbers.shape[::-1]).save(one.path)
        output.write_answer(one, draw_answer(numbers, space))
    project = Project.of(output, kind, space, None, tree)
    project.check(wanted)
    project.write(wanted, ["run: a\nb"])
    return project


def read(project: Project) -> list[np.ndarray]:
    spec = DatasetSpec.from_file(project.mapping)
    dataset = SegmentationDataset(spec, "train", root=spec.folder({}))
    labels = [dataset.label(number) for number in range(len(dataset))]
    for number, label in enumerate(labels):
        assert (dataset[number].classes.numpy() == label).all()
    return labels


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("encoding", ["ids", "rgb"])
def test_our_own_encoding_reads_every_pixel_back(tmp_path: Path, kind: str, encoding: str) -> None:
    pytest.importorskip("pycocotools")
    maps = {f"sub/{name} ü": numbers for name, numbers in LABEL_MAPS.items()}
    project = make(tmp_path, kind, maps, made_space(encoding=encoding))
    for name, label in zip(maps, read(project), strict=True):
        assert np.array_equal(label, maps[name]), name
    assert project.mapping.read_text().startswith("# run: a b\n")


@pytest.mark.parametrize("kind", FORMATS)
def test_without_a_background_everything_is_annotated(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("pycocotools")
    maps = {"a": LABEL_MAPS["holes in holes"]}
    project = make(tmp_path, kind, maps, made_space(first="w0"))
    assert np.array_equal(read(project)[0], maps["a"])
    spec = DatasetSpec.from_file(project.mapping)
    assert list(spec.classes) == [*NAMES, "unlabelled"]
    assert spec.meaning["flat"]["unlabelled"] == ()
    assert spec.meaning["flat"]["no"] == ("w2",)


def test_parts_are_disjoint_and_cover_all_but_the_rest() -> None:
    for numbers in LABEL_MAPS.values():
        seen = np.zeros(numbers.shape, dtype=int)
        for part in parts_of(numbers, 0):
            mask = part.whole(*numbers.shape[::-1])
            assert (numbers[mask] == part.number).all()
            assert part.is_crumbs or mask.sum() >= CRUMB
            seen += mask
        assert np.array_equal(seen, numbers != 0)


def test_runs_are_written_as_by_hand() -> None:
    for numbers in LABEL_MAPS.values():
        for number in range(4):
            mask = numbers == number
            assert write_runs(mask) == rle(mask, as_text=True)


def test_long_runs_of_a_brush_are_cut() -> None:
    from harmonize.labels.brush_rle import decode_brush

    for mask in (np.ones((130, 257), bool), np.zeros((256, 64), bool), np.eye(300, dtype=bool)):
        found = decode_brush(encode_brush(mask), 4 * mask.size, "here")
        assert np.array_equal(found.reshape(-1, 4), mask.repeat(4).reshape(-1, 4) * 255)
    small = np.eye(7, dtype=bool)
    values = decode_brush(brush(small), 4 * small.size, "here")  # as the tests' own writer has it
    assert np.array_equal(decode_brush(encode_brush(small), 4 * small.size, "here"), values)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_pycocotools_reads_the_same(tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco")
    project = make(tmp_path, "coco", LABEL_MAPS)
    coco = tools.COCO(str(project.folder / "annotations.json"))
    kinds: set[bool] = set()
    for image in coco.dataset["images"]:
        numbers = LABEL_MAPS[image["file_name"].removesuffix(".png")]
        found = np.zeros_like(numbers)
        for one in coco.imgToAnns[image["id"]]:
            mask = coco.annToMask(one).astype(bool)
            assert mask.sum() == one["area"]
            assert not found[mask].any()
            found[mask] = one["category_id"] - 1
            kinds.add(bool(one["iscrowd"]))
            left, top, width, height = one["bbox"]
            rows, columns = np.nonzero(mask)
            assert [left, top] == [columns.min(), rows.min()]
            assert [width, height] == [np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert np.array_equal(found, numbers), image["file_name"]
    assert kinds == {False, True}


@pytest.mark.filterwarnings("ignore")  # its own, and those of what it imports
def test_datumaro_reads_the_same(tmp_path: Path) -> None:
    datumaro: Any = pytest.importorskip("datumaro")
    tools: Any = pytest.importorskip("pycocotools.mask")
    kinds = datumaro.AnnotationType
    for kind, file, place, format in (
        ("coco", "annotations.json", "annotations/instances_train.json", "coco_instances"),
        ("cvat", "annotations.xml", "train.xml", "cvat"),
    ):
        project, there = make(tmp_path / kind, kind, LABEL_MAPS), tmp_path / kind / "theirs"
        pictures = there / "images" / ("train" if kind == "coco" else "")
        shutil.copytree(project.folder / "pictures", pictures)  # it follows no links
        (there / place).parent.mkdir(exist_ok=True)
        shutil.copy(project.folder / file, there / place)
        dataset = datumaro.Dataset.import_from(str(there), format)
        names = [one.name for one in dataset.categories()[kinds.label]]
        assert len(dataset) == len(LABEL_MAPS)
        for item in dataset:
            numbers = LABEL_MAPS[item.id]
            found = np.zeros_like(numbers)
            for one in item.annotations:
                if one.type == kinds.polygon:
                    runs = tools.frPyObjects([list(one.points)], *numbers.shape)
                    mask = tools.decode(tools.merge(runs)).astype(bool)
                elif one.type == kinds.mask:
                    mask = np.asarray(one.image, dtype=bool)
                else:  # a box that it adds to each
                    continue
                found[mask] = NAMES.index(names[one.label])
            assert np.array_equal(found, numbers), (kind, item.id)


def labelme_pixels(shape: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Return a shape's pixels as LabelMe's ``shape_to_mask`` and ``shapes_to_label`` draw it."""
    mask = np.zeros(size[::-1], dtype=bool)
    if shape["shape_type"] == "mask":
        data = io.BytesIO(base64.b64decode(shape["mask"]))
        (left, top), (right, bottom) = shape["points"]
        mask[top : bottom + 1, left : right + 1] = np.asarray(Image.open(data)).astype(bool)
        return mask
    picture = Image.fromarray(mask.astype(np.uint8))
    points = [tuple(point) for point in shape["points"]]
    ImageDraw.Draw(picture).polygon(xy=points, outline=1, fill=1)
    return np.array(picture, dtype=bool)


def test_labelme_draws_the_same(tmp_path: Path) -> None:
    project = make(tmp_path, "labelme", LABEL_MAPS)
    kinds: set[str] = set()
    for name, numbers in LABEL_MAPS.items():
        content = json.loads((project.folder / "pictures" / f"{name}.json").read_text())
        assert (project.folder / "pictures" / content["imagePath"]).samefile(
            tmp_path / "in" / f"{name}.png"
        )
        found = np.zeros_like(numbers)
        for shape in content["shapes"]:
            kinds.add(shape["shape_type"])
            mask = labelme_pixels(shape, (content["imageWidth"], content["imageHeight"]))
            found[mask] = NAMES.index(shape["label"])
        assert np.array_equal(found, numbers), name
    assert kinds == {"polygon", "mask"}
    assert (project.folder / "labels.txt").read_text().split("\n")[:-1] == NAMES[1:]
    content = json.loads((project.folder / "pictures" / "holes without the rest.json").read_text())
    drawn = [one["shape_type"] for one in content["shapes"]]
    assert drawn.count("polygon") > 2  # what lies in their holes is drawn over them


def test_label_studios_brush_reads_the_same(tmp_path: Path) -> None:
    reader: Any = pytest.importorskip("label_studio_sdk.converter.brush")
    project = make(tmp_path, "label-studio", LABEL_MAPS)
    for task in json.loads((project.folder / "tasks.json").read_text()):
        name = task["data"]["image"].partition("?d=pictures/")[2]
        numbers = LABEL_MAPS[name.replace("%20", " ").removesuffix(".png")]
        found = np.zeros_like(numbers)
        for result in task["annotations"][0]["result"]:
            pixels = reader.decode_rle(result["value"]["rle"]).reshape(*numbers.shape, 4)
            found[pixels[..., 3] > 0] = NAMES.index(result["value"]["brushlabels"][0])
        assert np.array_equal(found, numbers), name


def test_the_tools_get_the_classes_and_their_colours(tmp_path: Path) -> None:
    maps = {"a": LABEL_MAPS["blocks"]}
    labels = json.loads((make(tmp_path / "1", "cvat", maps).folder / "labels.json").read_text())
    assert [(one["name"], one["color"]) for one in labels][:2] == [
        ("a & b", "#0a141e"),
        ("no", "#1e140a"),
    ]
    config = make(tmp_path / "2", "label-studio", maps).folder / "label_config.xml"
    found = ElementTree.parse(config).findall("./BrushLabels/Label")
    assert [one.get("value") for one in found] == NAMES[1:]
    assert found[2].get("background") == "#c86400"


def test_what_people_may_have_corrected_is_not_replaced(tmp_path: Path) -> None:
    for kind, file in (("coco", "annotations.json"), ("labelme", "pictures/a.json")):
        project = make(tmp_path / kind, kind, {"a": LABEL_MAPS["blocks"]})
        for name in (project.mapping.name, "pictures.txt", *(["labels.txt"] * (kind != "coco"))):
            (project.folder / name).unlink()
        wanted = [Wanted(tmp_path / kind / "in" / "a.png", Path("a"))]
        with pytest.raises(HarmonizeError, match=rf"{file}: is there already, and people may have"):
            project.check(wanted)


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        ("coco", "a\tb.png", "has a line break or a tab in its name; rename it"),
        ("label-studio", "a.ppm", r"Label Studio shows \.jpg, .*; convert it"),
        ("cvat", "a.tif", "annotation tools do not keep; leave out --write"),
    ],
)
def test_pictures_that_cannot_be_annotated_are_told(
    tmp_path: Path, kind: str, name: str, problem: str
) -> None:
    path = tmp_path / name
    Image.new("RGB", (4, 4)).save(path, format="PNG" if "\t" in name else None)
    project = Project.of(Output(tmp_path / "out"), kind, made_space(), None, FLAT)
    with pytest.raises(HarmonizeError, match=problem):
        project.check([Wanted(path, Path(path.stem))], banded=True)


def test_two_pictures_of_one_json_and_an_unknown_tool_are_told(tmp_path: Path) -> None:
    wanted = [Wanted(tmp_path / f"a.{end}", Path("a")) for end in ("jpg", "png")]
    project = Project.of(Output(tmp_path), "labelme", made_space(), None, FLAT)
    with pytest.raises(HarmonizeError, match="two pictures differ in their ending alone; rename"):
        project.check(wanted)
    with pytest.raises(HarmonizeError, match="--write voc: choose from coco, labelme, label-st"):
        Project.of(Output(tmp_path), "voc", made_space(), None, FLAT)


def test_an_answer_in_other_words_is_told(tmp_path: Path) -> None:
    for picture in (Image.new("RGB", (3, 3)), Image.new("L", (3, 3), 9)):
        picture.save(tmp_path / "a.png")
        with pytest.raises(HarmonizeError, match=r"a\.png: .*; answer it again"):
            read_answer(tmp_path / "a.png", made_space())
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(HarmonizeError, match=r"a\.png: cannot be read"):
        read_answer(tmp_path / "a.png", made_space())


@pytest.mark.parametrize("kind", FORMATS)
def test_a_project_carries_its_tree(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pycocotools")
    project = make(tmp_path, kind, {"a": LABEL_MAPS["blocks"]})
    assert (project.folder / "flat.txt").read_text() == FLAT.text
    assert cli.main(["check", str(project.mapping)]) == 0, capsys.readouterr().out


def test_a_tree_that_is_called_as_the_list_keeps_its_name(tmp_path: Path) -> None:
    tree = Ontology(FLAT.text, name="pictures")
    project = make(tmp_path, "cvat", {"a": LABEL_MAPS["blocks"]}, tree=tree)
    assert (project.folder / "pictures.txt").read_text() == tree.text
    assert (project.folder / "pictures_list.txt").read_text() == "a.png\n"
    assert np.array_equal(read(project)[0], LABEL_MAPS["blocks"])


def test_another_tree_of_the_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "flat.txt").write_text(FLAT.text)
    make(tmp_path, "cvat", {"a": LABEL_MAPS["blocks"]})  # it is the same
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "flat.txt").write_text("mine\n")
    with pytest.raises(HarmonizeError, match=r"flat\.txt: is there already and is not the run's"):
        make(tmp_path, "cvat", {"a": LABEL_MAPS["blocks"]})
    assert (tmp_path / "out" / "flat.txt").read_text() == "mine\n"


def test_another_picture_of_the_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    (tmp_path / "out" / "pictures" / "a.png").write_text("another's")
    with pytest.raises(HarmonizeError, match=r"pictures/a\.png: is there already; choose another"):
        make(tmp_path, "coco", {"a": LABEL_MAPS["blocks"]})
