"""Which pictures are found, how they are read, and what is written for them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from decoders import flat_decoder
from harmonize import HarmonizeError
from harmonize.inference.answer_space import AnswerLabel, AnswerSpace
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.inference.inputs import Wanted, find_pictures
from harmonize.inference.read_pictures import read_to_see
from harmonize.inference.write_answers import LEGEND, Output, describe
from harmonize.labels.encodings import ENCODINGS

ORIENTATION = 0x0112


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "sub/a.png", "sub/b.TIF", ".hidden.jpg", "out/old.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path / "in"


def names(found: list[Wanted]) -> list[str]:
    return [wanted.name.as_posix() for wanted in found]


def test_a_folders_pictures_keep_their_place_and_the_output_is_none_of_them(folder: Path) -> None:
    assert names(find_pictures([str(folder)], folder / "out")) == ["a", "sub/a", "sub/b"]
    assert names(find_pictures([str(folder)], folder / "else")) == [
        "a",
        "out/old",
        "sub/a",
        "sub/b",
    ]


def test_patterns_keep_places_below_their_last_plain_folder(folder: Path) -> None:
    output = folder / "out"
    assert names(find_pictures([f"{folder}/*/?.*"], output)) == ["sub/a", "sub/b"]
    assert names(find_pictures([f"{folder}/**/a.*"], output)) == ["a", "sub/a"]


def test_files_that_are_named_may_be_of_any_name_and_count_once(folder: Path) -> None:
    paths = [str(folder / "notes.txt"), str(folder / "a.jpg"), str(folder), str(folder / "a.jpg")]
    assert names(find_pictures(paths, folder / "out")) == ["notes", "a", "sub/a", "sub/b"]


def test_a_file_with_the_characters_of_a_pattern_is_that_file(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "c[1].png")
    assert names(find_pictures([str(folder / "c[1].png")], folder / "out")) == ["c[1]"]


def test_words_that_name_no_picture_are_all_told(folder: Path) -> None:
    with pytest.raises(HarmonizeError) as caught:
        find_pictures([f"{folder}/none.jpg", f"{folder}/*.gif"], folder / "out")
    first, second = caught.value.problems
    assert first == f"{folder}/none.jpg: no such picture or folder"
    assert second.startswith(f"{folder}/*.gif: holds no pictures; known are .jpg")


def test_two_answers_of_one_name_are_refused(folder: Path) -> None:
    paths = [str(folder / "a.jpg"), str(folder / "sub" / "a.png")]
    message = "sub/a.png: its answer would be written over that of .*a.jpg; name the folder above"
    with pytest.raises(HarmonizeError, match=message):
        find_pictures(paths, folder / "out")


@pytest.mark.parametrize("output", [".", ".."])
def test_an_output_folder_around_the_pictures_is_refused(folder: Path, output: str) -> None:
    with pytest.raises(HarmonizeError, match=r"holds the pictures of .*choose a folder apart"):
        find_pictures([str(folder / "sub")], (folder / "sub" / output).resolve())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright_unless_told_otherwise(
    tmp_path: Path, orientation: int
) -> None:
    pixels = np.zeros((8, 12, 3), dtype=np.uint8)
    pixels[:4, :6] = 255  # the top left quarter
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    seen = read_to_see(tmp_path / "a.png", size=4)
    sideways = orientation >= 5
    assert seen.size == ((12, 8) if sideways else (8, 12))
    assert tuple(seen.scaled.shape) == ((3, 6, 4) if sideways else (3, 4, 6))
    assert seen.shown is not None
    assert seen.shown.size == seen.size[::-1]
    corners = np.asarray(seen.shown)[[0, 0, -1, -1], [0, -1, 0, -1], 0] == 255
    # Where EXIF says that the file's first row and first column are seen.
    where = {1: 0, 2: 1, 3: 3, 4: 2, 5: 0, 6: 1, 7: 3, 8: 2}[orientation]
    assert corners.tolist() == [number == where for number in range(4)]
    stored = read_to_see(tmp_path / "a.png", size=4, turn=False)
    assert stored.size == (8, 12)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_pictures_of_any_8_bit_mode_are_seen_in_colour(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new("RGB", (9, 5), (255, 255, 255)).convert(mode).save(path)
    seen = read_to_see(path, size=None)
    assert isinstance(seen.scaled, Tensor)
    assert tuple(seen.scaled.shape) == (3, 5, 9)
    assert int(seen.scaled.min()) == 255


def made_space(values: list[int], *, encoding: str = "ids") -> AnswerSpace:
    labels = tuple(
        AnswerLabel(f"w{number}", value, (f"w{number}",), 1, (number, 100, 200))
        for number, value in enumerate(values)
    )
    return AnswerSpace(
        "test",
        labels,
        np.eye(len(values), dtype=bool),
        flat_decoder(len(values)),
        encoding=ENCODINGS[encoding],
    )


ANSWER = np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint8)


def test_small_ids_are_a_palette_picture_of_8_bits(tmp_path: Path) -> None:
    draw_answer(ANSWER, made_space([0, 7, 255])).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.mode == "P"
        assert drawn.tile[0].args == "P"  # P;1, P;2 and P;4 are packed
        assert np.asarray(drawn).tolist() == [[0, 7, 7], [255, 255, 0]]
        assert np.asarray(drawn.convert("RGB"))[0, 1].tolist() == [1, 100, 200]


def test_large_ids_are_16_bits_of_grey() -> None:
    drawn = draw_answer(ANSWER, made_space([0, 7, 65535]))
    assert drawn.mode == "I;16"
    assert np.asarray(drawn).tolist() == [[0, 7, 7], [65535, 65535, 0]]


def test_colours_are_written_with_alpha_where_they_have_it() -> None:
    drawn = draw_answer(ANSWER, made_space([0x010203, 0xFF0000, 0x0000FF], encoding="rgb"))
    assert drawn.mode == "RGB"
    assert np.asarray(drawn)[0, :2].tolist() == [[1, 2, 3], [255, 0, 0]]
    drawn = draw_answer(ANSWER, made_space([0xFF010203, 0x80FF0000, 0x0000FF], encoding="rgb"))
    assert drawn.mode == "RGBA"
    assert np.asarray(drawn)[0, :2].tolist() == [[1, 2, 3, 255], [255, 0, 0, 128]]


def test_an_overlay_tints_outlines_and_lists() -> None:
    answer = np.zeros((300, 600), dtype=np.uint8)
    answer[:, 300:] = 1
    space = made_space([0, 1])
    drawn = draw_overlay(Image.new("RGB", (600, 300), (100, 100, 100)), answer, space)
    assert drawn.height == 300
    assert drawn.width > 700  # the list stands beside it
    pixels = np.asarray(drawn).astype(int)
    expected = (np.array([0, 100, 200]) * 150 + 100 * 106) >> 8
    assert pixels[150, 100].tolist() == expected.tolist()
    assert pixels[150, 400].tolist() == ((np.array([1, 100, 200]) * 150 + 100 * 106) >> 8).tolist()
    assert pixels[150, 299].max() < 30
    assert (pixels[:, 600:] > 200).any()


def test_a_small_picture_is_drawn_larger() -> None:
    drawn = draw_overlay(Image.new("RGB", (3, 2)), ANSWER, made_space([0, 1, 2]))
    assert drawn.height == 2 * 171


WANTED = Wanted(Path("x/a.jpg"), Path("x/a"))


def write_all(output: Output, space: AnswerSpace) -> None:
    legend = describe(space, {"run": "r"})
    output.check([WANTED], legend)
    output.write_legend(legend)
    output.write_answer(WANTED, draw_answer(ANSWER, space))
    output.write_overlay(WANTED, Image.new("RGB", (4, 4)))


def test_answers_to_the_same_question_are_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        write_all(Output(tmp_path / "out"), made_space([0, 1, 2]))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert files == ["out/legend.json", "out/x/a.overlay.jpg", "out/x/a.png"]
    legend = json.loads((tmp_path / "out" / LEGEND).read_text())
    assert legend["run"] == "r"
    assert legend["classes"]["1"] == {
        "name": "w1",
        "color": "#0164c8",
        "depth": 1,
        "nodes": ["w1"],
    }


def test_colours_are_the_keys_of_their_legend() -> None:
    legend = describe(made_space([0, 0xFF0000], encoding="rgb"), {})
    assert list(legend["classes"]) == ["#000000", "#ff0000"]


def test_answers_in_other_words_are_not_mixed(tmp_path: Path) -> None:
    write_all(Output(tmp_path), made_space([0, 1, 2]))
    with pytest.raises(HarmonizeError, match=r"legend.json: the folder holds answers in other"):
        write_all(Output(tmp_path), made_space([0, 1, 3]))


@pytest.mark.parametrize("name", ["x/a.png", "x/a.overlay.jpg", "legend.json"])
def test_files_of_others_are_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").mkdir()
    if name.endswith("json"):
        (tmp_path / name).write_text("{}")
    else:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(HarmonizeError, match=f"{name}: .*choose another --output"):
        write_all(Output(tmp_path), made_space([0, 1, 2]))
    assert (tmp_path / name).read_bytes() == before


def test_a_file_for_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(HarmonizeError, match="out: is a file; name a folder"):
        write_all(Output(tmp_path / "out"), made_space([0, 1, 2]))
