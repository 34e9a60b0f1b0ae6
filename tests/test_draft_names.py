"""What drafting reads in the names of files: endings, beginnings, classes, numbers and splits."""

from pathlib import Path

import pytest

from harmonize.tools.draft.affixes import prefixes, shared_affixes, suffixes
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_templates import PathFields, number_format
from harmonize.tools.draft.group_merging import class_texts
from harmonize.tools.draft.name_words import canonical, split_word
from test_draft_folders import draft, label, photo, save


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("aachen_000000_gtFine_labelIds", ["_labelIds", "_gtFine_labelIds"]),
        ("x_1", []),  # a number is no ending
        ("_seg", []),  # nothing would be left
        ("a__b", ["_b"]),  # an empty token ends the search
        ("a.b c-d", ["-d", " c-d", ".b c-d"]),
        ("a" + "_b" * 8, ["_b" * n for n in range(1, 7)]),  # six tokens at most
    ],
)
def test_suffixes_are_the_last_tokens_with_a_letter(stem: str, found: list[str]) -> None:
    assert suffixes(stem) == found


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("img_0001", ["img_"]),
        ("ADE_train_01", ["ADE_", "ADE_train_"]),
        ("img0001", ["img"]),
        ("the_img0001", ["the_", "the_img"]),
        ("0001_img", []),
        ("a_", []),  # nothing would be left
    ],
)
def test_prefixes_are_the_first_tokens_with_a_letter(stem: str, found: list[str]) -> None:
    assert prefixes(stem) == found


def test_an_ending_is_shared_if_it_is_added_to_other_files_names() -> None:
    files = [("", stem) for number in range(3) for stem in (f"p{number}x", f"p{number}x_seg")]
    shared = {f"p{number}x_seg": "_seg" for number in range(3)}
    assert shared_affixes(files, first=False) == shared
    assert shared_affixes(files, first=False, added=True) == shared


def test_a_common_surname_is_an_ending_only_where_it_need_not_be_added() -> None:
    files = [("", f"p{number}_Doe") for number in range(4)]
    assert set(shared_affixes(files, first=False).values()) == {"_Doe"}
    assert shared_affixes(files, first=False, added=True) == {}


@pytest.mark.parametrize(
    ("suffixes_", "parted"),
    [
        (["_lbl00", "_lbl01", "_lbl10"], ("_lbl", ["00", "01", "10"], "")),
        (["_l_eye", "_l_brow"], ("_l_", ["eye", "brow"], "")),
        (["_hair_mask", "_hat_mask"], ("_", ["hair", "hat"], "_mask")),
    ],
)
def test_classes_are_parted_from_what_suffixes_share(
    suffixes_: list[str], parted: tuple[str, list[str], str]
) -> None:
    assert class_texts(suffixes_) == parted


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["1", "20"], ""),
        (["01", "20"], ":02d"),
        (["00", "00"], ":02d"),
        (["0", "0"], ""),
        (["01", "2"], None),  # neither of one width nor plain
        (["1", "x"], None),
        (["²", "1"], None),
        (["1" * 19, "2"], None),  # too long for a number
    ],
)
def test_numbers_are_written_as_they_are_or_padded(values: list[str], written: str | None) -> None:
    assert number_format(values) == written


def test_a_field_may_be_another_one_divided() -> None:
    fields = PathFields()
    assert fields.add("id", ["7", "2001", "4000"]) == "{id}"
    assert fields.find(["0", "1", "2"]) == "{id//2000}"
    assert fields.find(["0007", "2001", "4000"]) == "{id:04d}"
    assert fields.find(["0", "1", "3"]) is None


def test_a_field_that_begins_with_another_is_parted() -> None:
    fields = PathFields()
    fields.add("id", ["Ann_0001", "Bob_0002"])
    assert fields.split("id", ["Ann", "Bob"], "folder") == "{folder}_{number:04d}"
    assert list(fields.columns) == ["folder", "number"]
    assert fields.split("folder", ["A", "B"], "letter") is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("leftImg_train", ("leftImg_", "train", "")),
        ("valannot", ("", "val", "annot")),
        ("validation", ("", "validation", "")),
        ("my_Testing-set", ("my_", "Testing", "-set")),
        ("trainer", None),
        ("evaluation", None),
    ],
)
def test_a_splits_word_is_found_in_a_name(name: str, word: tuple[str, str, str] | None) -> None:
    assert split_word(name) == word


def test_words_of_splits_have_one_usual_form() -> None:
    words = ["Exemplars", "tuning", "TESTING", "other"]
    assert list(map(canonical, words)) == ["train", "val", "test", "other"]


def test_items_are_chosen_evenly() -> None:
    assert evenly(range(10), 4) == [0, 2, 5, 7]
    assert evenly(range(3), 6) == [0, 1, 2]


def test_several_words_for_one_split_make_a_split_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, word in enumerate(("training", "exemplars", "train")):
        for number in range(2):
            name = f"x{place}{number}y"
            save(tmp_path / "set" / word / "images" / f"{name}.jpg", photo())
            save(tmp_path / "set" / word / "labels" / f"{name}.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert {name: split.glob for name, split in spec.splits.items()} == {
        name: f"{name}/labels/{{id}}.png" for name in ("train", "exemplars", "training")
    }
