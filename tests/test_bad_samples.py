"""Pictures and labels that cannot be used: refused by name, or skipped, listed and counted."""

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scenarios
import spoiled
import torch
from group import run_group
from PIL import Image, ImageCms, ImageOps
from safetensors.torch import load_file
from tiny import tiny_config, write_project

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.data.mixing import MixedOrder
from harmonize.data.pictures import picture_size, read_picture, read_reduced
from harmonize.data.samples import Batch
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.training.trainer import Trainer

PICTURE, LABEL = Path("data/images/a.png"), Path("data/labels/a.png")
RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def photo(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Return a file of the colours in some format and mode."""
    return encoded(Image.fromarray(RGB).convert(mode), kind, **options)


def turned(kind: str, number: int = 6, image: Image.Image | None = None) -> bytes:
    """Return a file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(image or Image.fromarray(RGB), kind, exif=exif)


def several(kind: str) -> bytes:
    """Return a file with two different pictures."""
    first, second = Image.fromarray(RGB), Image.fromarray(255 - RGB)
    return encoded(first, kind, save_all=True, append_images=[second])


def huge(width: int, height: int) -> bytes:
    """Return a PNG of which the header alone is there."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    data = struct.pack(">I", 9) + b"IDAT" + zlib.compress(b"")[:9]
    return start + struct.pack(">I", zlib.crc32(header)) + data


def ids(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), kind, **options)


BAD: dict[str, tuple[Path, bytes, str]] = {
    "empty picture": (PICTURE, b"", "not a readable picture: cannot identify"),
    "truncated picture": (PICTURE, photo("PNG")[:-40], "not a readable picture"),
    "16-bit picture": (PICTURE, ids(RGB[..., 0].astype(np.uint16)), "mode I;16; save it with 8"),
    "float picture": (PICTURE, ids(RGB[..., 0] / np.float32(2), "TIFF"), "mode F; save it with 8"),
    "turned JPEG": (PICTURE, turned("JPEG"), "EXIF orientation is 6; say in the mapping `exif: ap"),
    "turned PNG": (PICTURE, turned("PNG", 3), "EXIF orientation is 3; say in the mapping `exif: "),
    "turned WebP": (PICTURE, turned("WEBP", 8), "EXIF orientation is 8; say in the mapping `exif"),
    "animated GIF": (PICTURE, several("GIF"), "holds 2 pictures; save the one that the label is"),
    "animated WebP": (PICTURE, several("WEBP"), "holds 2 pictures; save the one"),
    "animated PNG": (PICTURE, several("PNG"), "holds 2 pictures; save the one"),
    "stack of pages": (PICTURE, several("TIFF"), "holds 2 pictures; save the one"),
    "bomb": (PICTURE, huge(60000, 60000), "60000 x 60000 pixels, more than the 268 million"),
    "other size": (PICTURE, ids(RGB[:3]), "6 x 3 pixels, but its label labels/a.png has 6 x 4"),
    "empty label": (LABEL, b"", "not a readable picture: cannot identify"),
    "truncated label": (LABEL, ids(spoiled.LABEL)[:-20], "not a readable picture"),
    "unknown id": (LABEL, ids(spoiled.LABEL + 1), "ids that no class of fine stands for: 3 (8 pix"),
    "colour label": (LABEL, photo("PNG"), "expected ids in one channel, got mode RGB"),
    "CMYK label": (LABEL, photo("TIFF", "CMYK"), "expected ids in one channel, got mode CMYK"),
    "label with alpha": (LABEL, photo("PNG", "LA"), "expected ids in one channel, got mode LA"),
    "turned label": (
        LABEL,
        turned("PNG", 3, Image.fromarray(spoiled.LABEL)),
        "EXIF orientation is 3, by which labels are not turned; save it upright",
    ),
    "animated label": (LABEL, several("PNG"), "holds 2 pictures; save the one"),
    "huge label": (LABEL, huge(1 << 15, 1 << 14), "32768 x 16384 pixels, more than"),
}
"""For each fault the file, its content and what is said of it."""


def small_config(*overrides: str) -> RunConfig:
    told = ["train.steps=1", "data.batch_size=2", "data.size=16", "data.workers=0"]
    told += ["train.precision=float32", "model.width=8", "output=run"]
    return RunConfig.from_file("run.yaml", [*told, *overrides])


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_sample_ends_a_run_with_the_line_that_the_check_shows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    path, content, said = BAD[kind]
    path.write_bytes(content)
    with pytest.raises(HarmonizeError) as caught:
        train(small_config(), name="x")
    [line] = caught.value.problems
    assert line.startswith(f"{path}: ")
    assert said in line
    assert line.endswith("; a sample of fine, train: mend it, or go on without such by "
                         "data.on_bad_sample=skip")  # fmt: skip
    capsys.readouterr()
    told = spoiled.problems(capsys, "fine.yaml")
    if kind == "unknown id":  # counted over all files there
        assert any("no class" in problem and "3" in problem for problem in told)
    else:
        assert any(said.partition(";")[0] in problem for problem in told), told


def lab() -> bytes:
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    change = ImageCms.buildTransform(*profiles, "RGB", "LAB")  # type: ignore[arg-type]
    found = ImageCms.applyTransform(Image.fromarray(RGB), change)
    assert found is not None
    return encoded(found, "TIFF")


def with_overview() -> bytes:
    small = Image.fromarray(RGB[::2, ::2])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    return encoded(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[small])


GOOD: dict[str, bytes] = {
    "CMYK": photo("TIFF", "CMYK"),
    "CMYK JPEG": photo("JPEG", "CMYK", quality=100),
    "LAB": lab(),
    "grey": photo("PNG", "L"),
    "grey with alpha": photo("PNG", "LA"),
    "colour with alpha": ids(np.dstack([RGB, RGB[..., :1]])),
    "palette": photo("PNG", "P"),
    "palette with transparency": photo("PNG", "P", transparency=bytes(range(256))),
    "1-bit": photo("PNG", "1"),
    "TIFF that turns itself": turned("TIFF", 3),
    "TIFF with an overview": with_overview(),
    "upright by its tag": turned("JPEG", 1),
    "unknown orientation": turned("JPEG", 9),
    "interlaced": photo("GIF", "L", interlace=1),
}
"""What is read, and how."""


def test_other_kinds_of_pictures_are_read_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch, names=[f"n{number}" for number in range(len(GOOD))])
    for number, content in enumerate(GOOD.values()):
        Path(f"data/images/n{number}.png").write_bytes(content)
    spoiled.passes(capsys, "fine.yaml")
    train(small_config(f"data.batch_size={len(GOOD)}"), name="x")
    assert "warning" not in capsys.readouterr().err.lower()


def test_colours_become_rgb_and_transparency_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def read(kind: str) -> np.ndarray:
        path.write_bytes(GOOD[kind])
        return np.asarray(read_picture(path)).astype(int)

    assert (read("CMYK") == RGB).all()
    assert (read("colour with alpha") == RGB).all()
    assert (read("palette with transparency") == read("palette")).all()
    assert abs(read("LAB") - RGB).mean() < 5
    assert set(np.unique(read("1-bit"))) == {0, 255}
    assert (read("TIFF that turns itself") == RGB[::-1, ::-1]).all()


@pytest.mark.parametrize("number", range(2, 9))
@pytest.mark.parametrize("least", [1000, 8])
def test_a_picture_is_turned_as_its_orientation_says_if_the_mapping_does(
    tmp_path: Path, number: int, least: int
) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (33, 49, 3), dtype=np.uint8))
    path.write_bytes(turned("PNG", number, image))
    ignored = read_reduced(path, least=least, exif="ignore")
    applied = read_reduced(path, least=least, exif="apply")
    with Image.open(path) as stored:
        upright = ImageOps.exif_transpose(stored)
    factor = 4 if least == 8 else 1
    assert (ignored.factor, applied.factor) == (factor, factor)
    assert (np.asarray(ignored.image) == np.asarray(image.reduce(factor))).all()
    assert (np.asarray(applied.image) == np.asarray(upright.reduce(factor))).all()
    assert applied.size == upright.size == picture_size(path, exif="apply")
    assert picture_size(path, exif="ignore") == (49, 33)


def test_sizes_that_only_the_orientation_makes_agree_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    PICTURE.write_bytes(turned("JPEG", 6, Image.fromarray(np.rot90(RGB).copy())))
    spoiled.spoil(exif="ignore")
    [line] = spoiled.problems(capsys, "fine.yaml")
    assert line.endswith("EXIF orientation swaps the sides: change `exif` in the mapping between "
                         "apply and ignore")  # fmt: skip
    spoiled.spoil(exif="apply")
    spoiled.passes(capsys, "fine.yaml")


def test_a_picture_of_many_pixels_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (10000, 9500)).save(path)  # Pillow itself warns of it
    assert picture_size(path) == (10000, 9500)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


SKIP = ("data.on_bad_sample=skip", "data.bad_share=0.2")


def spoil_some(project: Path) -> None:
    """Spoil two of ten pictures of the finer set."""
    (project / "fine_data" / "03.png").write_bytes(b"")
    Image.new("L", (24, 20), 77).save(project / "fine_data" / "07_ids.png")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.newest(run) or Path())


def listed(run: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (run / "bad_samples.jsonl").read_text().splitlines()]


def equal(one: Path, two: Path) -> bool:
    a, b = weights(one), weights(two)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@FORKS
def test_a_run_that_skips_lists_each_bad_sample_once_and_depends_on_no_process(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_some(project)
    long = [*SKIP, "train.steps=12"]
    run = train(tiny_config(project, project / "run", *long), name="x")
    told = capsys.readouterr()
    assert f"skipped as bad: 2 of 10 pictures of fine, train; listed with the reasons in {run}" in (
        told.out
    )
    assert told.err.count("warning: ") == 1
    assert sorted((line["dataset"], line["split"], line["picture"]) for line in listed(run)) == [
        ("fine", "train", "03.png"),
        ("fine", "train", "07.png"),
    ]
    reasons = {line["picture"]: line["reason"] for line in listed(run)}
    assert "03.png: not a readable picture" in reasons["03.png"]
    assert "07_ids.png: ids that no class of fine stands for: 77" in reasons["07.png"]
    other = train(tiny_config(project, project / "other", *long, "data.workers=2"), name="x")
    assert equal(run, other)
    checkpoints.step_path(run, 12).unlink()
    train(tiny_config(project, project / "run", *long, "train.resume=true"), name="x")
    assert equal(run, other)
    assert len(listed(run)) == 2


def test_a_bad_picture_is_replaced_by_the_next_of_its_set_under_its_own_seed() -> None:
    order = MixedOrder([5, 3], [1, 1], seed=7)
    for position in range(60):
        plain, next_ = order[position], order.draw(position, later=1)
        assert order.draw(position) == plain
        assert (next_.dataset, next_.seed) == (plain.dataset, plain.seed)
        assert next_.picture != plain.picture
        size = order.sizes[plain.dataset]
        drawn = {order.draw(position, later=later).picture for later in range(size)}
        assert drawn == set(range(size))


def test_more_bad_samples_than_the_share_end_a_run(project: Path) -> None:
    spoil_some(project)
    told = ["data.on_bad_sample=skip", "train.steps=12"]
    expected = r"fine, train: 2 of 10 pictures are bad, more than .*bad_share=0\.05.*jsonl lists"
    with pytest.raises(HarmonizeError, match=expected):
        train(tiny_config(project, project / "run", *told), name="x")
    assert len(listed(project / "run")) == 2


def test_a_set_without_a_good_picture_ends_a_run(project: Path) -> None:
    for number in range(10):
        (project / "fine_data" / f"{number:02d}.png").write_bytes(b"")
    told = ["data.on_bad_sample=skip", "data.bad_share=1"]
    with pytest.raises(HarmonizeError, match="not a readable picture"):
        train(tiny_config(project, project / "run", *told), name="x")


def test_samples_that_were_mended_count_no_more_when_a_run_is_resumed(project: Path) -> None:
    paths = [project / "fine_data" / name for name in ("03.png", "07_ids.png")]
    good = [path.read_bytes() for path in paths]
    spoil_some(project)
    told = ["data.on_bad_sample=skip", "train.steps=12"]
    with pytest.raises(HarmonizeError, match="2 of 10 pictures are bad"):
        train(tiny_config(project, project / "run", *told), name="x")
    paths[1].write_bytes(good[1])
    with (project / "run" / "bad_samples.jsonl").open("a") as file:
        file.write('{"dataset": "fi')  # as if interrupted while writing
    train(tiny_config(project, project / "run", *told, "train.resume=true"), name="x")
    assert [line["picture"] for line in listed(project / "run")] == ["03.png"]


def test_a_file_that_vanishes_while_training_is_skipped_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.train_step

    def vanish(trainer: Trainer, batches: Iterator[Batch]) -> float:
        if trainer.step == 6:
            (project / "coarse_data" / "masks" / "c5.png").unlink()
        return original(trainer, batches)

    monkeypatch.setattr(Trainer, "train_step", vanish)
    run = train(tiny_config(project, project / "run", *SKIP, "train.steps=12"), name="x")
    [line] = listed(run)
    assert line["picture"] == "c5.png"
    assert line["reason"].endswith("masks/c5.png: no such file")


@pytest.mark.parametrize("skip", [False, True])
def test_building_the_cache_stops_or_skips_likewise(
    project: Path, capsys: pytest.CaptureFixture[str], skip: bool
) -> None:
    spoil_some(project)
    told = [*(SKIP if skip else ()), "data.cache=disk", f"data.cache_folder={project}/cache"]
    config = tiny_config(project, project / "run", *told, "train.steps=12")
    if not skip:
        with pytest.raises(HarmonizeError, match="a sample of fine, train: mend it"):
            train(config, name="x")
        return
    run = train(config, name="x")
    assert "16 of 18 pictures" in capsys.readouterr().err
    assert sorted(line["picture"] for line in listed(run)) == ["03.png", "07.png"]
    plain = train(tiny_config(project, project / "plain", *SKIP, "train.steps=12"), name="x")
    assert equal(run, plain)


def test_scoring_tells_which_pictures_it_skips(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "fine_data" / "12.png").write_bytes(b"")
    run = train(tiny_config(project, project / "run", *SKIP), name="x")
    printed = capsys.readouterr().out
    assert "fine, val: 4 pictures" in printed
    assert re.search(r"skipped as bad: 1 of 5 pictures\n  \S*12\.png: not a readable", printed)
    found = json.loads((run / "evaluation.json").read_text())["datasets"]["fine"]
    assert found["pictures"] == 4
    assert list(found["skipped"]) == ["12.png"]
    assert [line["split"] for line in listed(run)] == ["val"]
    evaluate_run(run, json_file=project / "scores.json")
    again = json.loads((project / "scores.json").read_text())["datasets"]["fine"]
    assert again == found
    with pytest.raises(HarmonizeError, match="a sample of fine, val: mend it"):
        evaluate_run(run, overrides=["data.on_bad_sample=stop"])


@FORKS
def test_a_label_with_unknown_ids_is_named_by_loader_processes_too(project: Path) -> None:
    spoil_some(project)
    (project / "fine_data" / "03.png").write_bytes((project / "fine_data" / "04.png").read_bytes())
    config = tiny_config(project, project / "run", "data.workers=1", "train.steps=12")
    with pytest.raises(HarmonizeError, match=r"07_ids\.png: ids that no class of fine stands for"):
        train(config, name="x")


def test_two_processes_skip_list_and_score_as_one(project: Path) -> None:
    spoil_some(project)
    (project / "fine_data" / "12.png").write_bytes(b"")
    [alone] = run_group(1, scenarios.skip_bad_samples, project)
    two = run_group(2, scenarios.skip_bad_samples, project)
    assert [ended.status for ended in (alone, *two)] == [0, 0, 0], two
    ours, theirs = listed(project / "skip-2"), listed(project / "skip-1")
    assert len(theirs) == 3
    assert sorted(map(str, ours)) == sorted(map(str, theirs))
    scores = [json.loads((project / f"skip-{n}/evaluation.json").read_text()) for n in (1, 2)]
    assert [list(s["datasets"]["fine"]["skipped"]) for s in scores] == [["12.png"]] * 2
    one, other = weights(project / "skip-1"), weights(project / "skip-2")
    assert max((one[n] - other[n]).abs().max() for n in one if n.startswith("model/")) < 1e-5
    assert sum(ended.stderr.count("warning: ") for ended in two) == 2  # one for each split
