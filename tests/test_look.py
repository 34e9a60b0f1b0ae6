"""`harmonize look`: the first training samples of a run, on a page or a sheet."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize.cli import main
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.data.samples import MixedSamples
from harmonize.data.training_samples import samples_alone
from harmonize.labels.sources import load_sources
from harmonize.tools.look import look_page
from harmonize.tools.look.seen import see_samples
from report_cases import HOSTILE, Page
from tiny import FINE, tiny_config, tiny_values, write_project

STRONG = (
    "augment.rotate=30",
    "augment.scale=[0.5, 2.0]",
    "augment.cutout=1",
    "augment.paste=1.0",
    "augment.gamma=1.5",
    "augment.noise=5.0",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("look"))
    text = FINE.replace("left: ", f"'{HOSTILE}': ", 2)
    (folder / "fine.yaml").write_text(f"root: {folder}/fine_data\n{text}")
    (folder / "run.yaml").write_text(dump(tiny_values(folder, "out")))
    return folder


def look(project: Path, output: Path, *words: str) -> Path:
    """Run the command."""
    assert main(["look", str(project / "run.yaml"), "-o", str(output), *words]) == 0
    return output


def of_run(config: RunConfig) -> MixedSamples:
    """Return the samples of a run."""
    return samples_alone(config, load_sources(config))


def test_samples_are_those_of_the_run_as_the_network_gets_them(project: Path) -> None:
    config = tiny_config(project, "out", *STRONG)
    seen, samples = see_samples(config, 6, augmented=True), of_run(config)
    for position, one in enumerate(seen):
        batch = samples[position]
        assert np.array_equal(one.picture, batch.pictures[0].permute(1, 2, 0).numpy())
        assert one.dataset == ("fine", "coarse")[int(batch.datasets)]
        codes, counts = torch.unique(batch.codes, return_counts=True)
        shares = dict(zip(codes.tolist(), (100 * counts / 256).tolist(), strict=True))
        assert {label.value: share for label, share in one.classes} == pytest.approx(shares)
        found = [share for _, share in one.classes]
        assert found == sorted(found, reverse=True)


def test_without_augment_samples_are_as_in_the_files(project: Path) -> None:
    config = tiny_config(project, "out", *STRONG, "data.size=20")
    for one in see_samples(config, 8, augmented=False):
        assert one.done == ("crop of 20 from 24 x 20 pixels",)
        path = next(project.rglob(one.path))
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert any(np.array_equal(one.picture, pixels[:, n : n + 20]) for n in range(5))


def test_it_says_what_was_done_and_names_classes_and_void(project: Path) -> None:
    seen = see_samples(tiny_config(project, "out", *STRONG), 30, augmented=True)
    said = "\n".join(" | ".join(one.done) for one in seen)
    for text in (
        r"crop of \d+ from 24 x 20 pixels",
        r"turned \d+° left",
        r"turned \d+° right",
        "flipped",
        "1 cut out",
        r"brightness x \d\.\d\d",
        r"gamma \d\.\d\d",
        r"noise \d",
        r"(thing|right|script>) pasted from (c\d|\d\d)\.png",
    ):
        assert re.search(text, said), text
    fine = {label.name for one in seen if one.dataset == "fine" for label, _ in one.classes}
    coarse = {label.name for one in seen if one.dataset == "coarse" for label, _ in one.classes}
    assert fine == {"background", HOSTILE, "right", "void"}
    assert coarse == {"background", "thing", "void"}
    named = {label.name: label.nodes for one in seen for label, _ in one.classes}
    assert named["thing"] == ("thing",)
    assert named["void"] == ()


def test_each_change_is_said_in_words(project: Path) -> None:
    for change, text in (
        ("augment.shear=40", r"sheared [+-]\d+°"),
        ("augment.stretch=2", r"times as (high|wide)"),
        ("augment.perspective=0.3", "tilted"),
        ("augment.grey=1", "grey"),
        ("augment.blur=2", r"blur \d\.\d"),
    ):
        one = see_samples(tiny_config(project, "out", change), 1, augmented=True)[0]
        assert re.search(text, " | ".join(one.done)), change


def test_colours_lie_over_the_picture_and_void_is_striped(project: Path) -> None:
    config = tiny_config(project, "out", "augment.scale=[2.0, 2.0]", "data.size=64")
    one = see_samples(config, 1, augmented=True)[0]
    striped = (one.overlay == 30).all(-1) | (one.overlay == 74).all(-1)
    share = next(share for label, share in one.classes if label.name == "void")
    assert 0 < share <= 100
    assert striped.mean() * 100 == pytest.approx(share, abs=0.1)
    labelled = np.unique(one.overlay[~striped].reshape(-1, 3), axis=0)
    assert len(labelled) > 10


def test_the_page_is_whole_small_and_needs_nothing_beside_it(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = look(project, tmp_path / "look.html", "--augment", *STRONG, "--number=5")
    assert capsys.readouterr().out == f"{output} is there; open it to look\n"
    page = Page(output)
    assert page.wrong == page.open == []
    assert len(page.all("article")) == 5
    assert len(page.all("img")) == 10
    assert all(image["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert all(image["alt"] for image in page.all("img"))
    assert not page.all("script")
    assert not page.all("link")
    assert "url(" not in page.source
    assert HOSTILE in page.text
    assert "<script>" not in page.source
    for text in ("The first 5 training samples, as the network gets them", "turned", "void", "%"):
        assert text in page.text
    picture = page.all("img")[0]["src"].partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (16, 16)
    assert output.stat().st_size < 1_000_000


@pytest.mark.parametrize(("name", "format_"), [("a.png", "PNG"), ("b.JPG", "JPEG")])
def test_a_sheet_is_a_picture_of_all_samples(
    project: Path, tmp_path: Path, name: str, format_: str
) -> None:
    sizes: list[tuple[int, int]] = []
    for number in (1, 5):
        with Image.open(look(project, tmp_path / name, f"--number={number}")) as sheet:
            assert sheet.format == format_
            sizes.append(sheet.size)
    small, large = sizes
    assert large[1] > 2 * small[1]
    assert 1.5 * small[0] < large[0] < 2.5 * small[0]
    assert (tmp_path / name).stat().st_size < 1_000_000


@pytest.mark.parametrize("name", ["a.html", "a.png"])
def test_pictures_are_made_smaller_until_the_file_is_small_enough(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    words = ("--number=6", "data.size=300")
    before = look(project, tmp_path / name, *words).stat().st_size
    monkeypatch.setattr(look_page, "MOST_BYTES", before - 1)
    assert look(project, tmp_path / name, *words).stat().st_size < before


def test_one_command_gives_the_same_file_twice(project: Path, tmp_path: Path) -> None:
    one, other = (
        look(project, tmp_path / name, "--augment", *STRONG) for name in ("a.html", "b.html")
    )
    assert one.read_bytes() == other.read_bytes()
    third = look(project, tmp_path / "c.html", "--augment", *STRONG, "seed=1")
    assert one.read_bytes() != third.read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--number=0"], "error: --number: expected 1 to 100, got 0\n"),
        (["--number=101"], "error: --number: expected 1 to 100, got 101\n"),
        (["-o", "look.txt"], "error: look.txt: expected a name that ends in .html, .png, .jpg\n"),
        (["-o", "folder.html"], "error: folder.html: is a folder; name a file\n"),
        (["-o", "none/look.html"], "error: none/look.html: its folder does not exist"),
        (["augment.rotat=1"], "augment.rotat: unknown key; did you mean rotate?\n"),
    ],
)
def test_a_slip_is_named_in_one_line(
    project: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    with pytest.raises(SystemExit) as exit_:
        main(["look", str(project / "run.yaml"), *words])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_small_enough_is_refused(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(look_page, "MOST_BYTES", 100)
    output = tmp_path / "look.html"
    with pytest.raises(SystemExit):
        main(["look", str(project / "run.yaml"), "-o", str(output)])
    expected = "error: --number: 12 samples make too large a file; ask for fewer\n"
    assert capsys.readouterr().err == expected
    assert not output.exists()


def test_a_sample_that_looks_for_a_class_says_so(project: Path) -> None:
    config = tiny_config(project, "out", "augment.rare=1")  # no two classes mean the same
    classes = {spec.name: set(spec.classes) for spec in load_sources(config).specs}
    for sample in see_samples(config, 6, augmented=True):
        said = sample.done[0]
        assert said.startswith("looks for ")
        assert said.removeprefix("looks for ") in classes[sample.dataset]
