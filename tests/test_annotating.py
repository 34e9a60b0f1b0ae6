"""A run's answers as annotations, from the command line and from Python."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import harmonize
from harmonize import DatasetSpec, HarmonizeError, Run
from harmonize.cli import main
from harmonize.data.dataset import SegmentationDataset
from tiny import tiny_config, write_project

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and three pictures below a folder: one lies on its side, one cannot be read."""
    pytest.importorskip("pycocotools")
    folder = write_project(tmp_path_factory.mktemp("annotating"))
    config = tiny_config(folder, folder / "run", "train.steps=20", "optim.lr=0.1")
    harmonize.train(config)
    (folder / "new" / "sub").mkdir(parents=True)
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    with Image.open(folder / "fine_data" / "11.png") as picture:
        picture.save(folder / "new" / "sub" / "b.png", exif=turned)
        picture.resize((61, 47)).save(folder / "new" / "a.jpg")
    return folder


@pytest.fixture(autouse=True)
def _here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `check` find the tree."""
    (project / "trees").mkdir(exist_ok=True)
    (project / "trees" / "tiny.txt").write_text((project / "tiny.txt").read_text())
    monkeypatch.chdir(project)


def labels_of(mapping: Path) -> tuple[list[str], list[tuple[str, np.ndarray]]]:
    """Return the class names and the labels of the pictures of a mapping."""
    spec = DatasetSpec.from_file(mapping)
    dataset = SegmentationDataset(spec, "train", root=spec.folder({}))
    numbers = range(len(dataset))
    return [*spec.classes], [(dataset.files.picture(n), dataset.label(n)) for n in numbers]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("coco", ["--as", "fine"]),
        ("labelme", []),
        ("cvat", ["--confidence", "0.6"]),
        ("label-studio", ["--depth", "1"]),
    ],
)
@pytest.mark.usefixtures("project")
def test_annotations_are_the_answers_and_pass_the_check(
    tmp_path: Path,
    kind: str,
    asked: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "to correct"
    words = ["predict", "run", "new", "-o", str(out), "--write", kind, "--no-overlay", *asked]
    assert main(words) == 0
    mapping = out / "to_correct.yaml"
    assert f"{mapping}: reads the annotations for {kind}" in capsys.readouterr().out
    assert main(["check", str(mapping)]) == 0, capsys.readouterr()
    legend = json.loads((out / "legend.json").read_text())["classes"]
    names, labels = labels_of(mapping)
    assert [name for name, _ in labels] == ["pictures/a.jpg", "pictures/sub/b.png"]
    for name, label in labels:
        path = out / Path(name).relative_to("pictures").with_suffix(".png")
        with Image.open(path) as answer:
            pixels = np.asarray(answer)
        assert [names[one] for one in label.flat] == [
            legend[str(one)]["name"] for one in pixels.flat
        ]
    assert labels[1][1].shape == (24, 20)  # stands upright
    if asked == ["--as", "fine"]:
        assert names == ["background", "left", "right", "void"]  # void is there to be drawn


def test_a_picture_that_cannot_be_read_is_told_and_the_others_annotated(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    words = ["predict", "run", "new/a.jpg", str(tmp_path / "bad.png"), "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        raise SystemExit(main([*words, "--write", "coco"]))
    assert "bad.png" in capsys.readouterr().err
    _, labels = labels_of(tmp_path / "out" / "out.yaml")
    assert [name for name, _ in labels] == ["pictures/a.jpg"]
    assert (tmp_path / "out" / "pictures" / "a.jpg").samefile(project / "new" / "a.jpg")


def test_annotating_from_python_is_the_same(project: Path, tmp_path: Path) -> None:
    run = Run.open(project / "run")
    mapping = run.annotate([project / "new"], tmp_path / "out", "coco", as_="fine")
    names, labels = labels_of(mapping)
    answer = run.predict(project / "new" / "a.jpg", as_="fine")
    assert names == list(answer.names)
    assert np.array_equal(labels[0][1], answer.map)
    with pytest.raises(HarmonizeError, match="is there already, and people may have corrected it"):
        run.annotate([project / "new"], tmp_path / "out", "coco", as_="fine")
    with pytest.raises(HarmonizeError, match="depth and as_: give one of them"):
        run.annotate([project / "new"], tmp_path / "x", "coco", depth=1, as_="fine")
