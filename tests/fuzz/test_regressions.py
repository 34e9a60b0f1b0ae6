"""Inputs that once ended in a traceback, took minutes or reached the terminal as they were."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.limits import memory_limited, time_limited
from fuzz.running import project
from fuzz.targets import command
from harmonize.config.strict_yaml import load_text, read_text
from harmonize.errors import HarmonizeError, printable
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.pictures.reading import picture_size, read_picture
from harmonize.system.shown_errors import errors_shown
from spoiled import mapping as _mapping


@pytest.fixture(autouse=True)
def _in_a_project() -> Iterator[None]:
    """Work in a folder with a tiny project, within the limits of one input."""
    with project(), memory_limited(), time_limited():
        yield


@pytest.mark.parametrize("text", ["[" * 20_000, "{a: " * 20_000, "? " * 20_000, "- " * 20_000])
def test_thousands_of_levels_are_refused_at_once(text: str) -> None:
    with time_limited(), pytest.raises(HarmonizeError, match="nested too deeply"):
        load_text(text, "file")


def test_a_deep_tree_with_many_leaves_is_read_at_once() -> None:
    chain = "".join(f"{' ' * depth}d{depth}\n" for depth in range(250))
    tree = Ontology(chain + "".join(f"{' ' * 250}l{leaf}\n" for leaf in range(700)), name="deep")
    space = TargetSpace(tree, [])
    assert space.num_resolved.tolist() == [251] * 700
    assert tree.describe(tree.leaf_mask("d249")) == ("d0",)
    assert len(tree.groups(251)) == 700


@pytest.mark.parametrize("sequence", ["\x1b[31m", "\x1b]0;title\x07", "\u202e", "\0"])
def test_terminal_sequences_in_names_are_refused_and_shown_escaped(sequence: str) -> None:
    Path("odd.txt").write_text(f"plain\nred{sequence}\n")
    command("check", "odd.txt")
    command("tree", "odd.txt")
    with pytest.raises(HarmonizeError, match=r"odd.txt:2:1: a name is made of characters that can"):
        Ontology.from_file("odd.txt")


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(HarmonizeError, match=r"^/dev/zero: is a device, which is not read"):
        read_text("/dev/zero")


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_header_that_claims_60000_pixels_squared_is_refused_before_decoding() -> None:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    Path("huge.png").write_bytes(_png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99))))
    for read in (picture_size, read_picture):
        with pytest.raises(HarmonizeError, match=r"^huge.png: says that it has 60000 x 60000"):
            read(Path("huge.png"))


def test_a_chunk_that_claims_four_gigabytes_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 24, 17, 8, 4, 0, 0, 0)
    whole = _png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 24 * 17 * 3)))
    Path("long.png").write_bytes(whole.replace(whole[33:37], b"\xff\0\0\x45"))
    for read in (picture_size, read_picture):
        with pytest.raises(HarmonizeError, match=r"^long.png: not a readable picture: "):
            read(Path("long.png"))


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        (
            '"le\\eft": 1',
            r"fine.yaml:7:11: classes.le\x1bft: a name is made of characters",
        ),
        ('" ": 1', r"fine.yaml:7:11: classes. : a name is not empty, got ' '"),
    ],
)
def test_class_names_that_cannot_be_seen_are_refused(written: str, wrong: str) -> None:
    text = _mapping(classes=f"{{{written}}}")
    with pytest.raises(HarmonizeError) as caught:
        DatasetSpec.from_document(load_text(text, "fine.yaml"))
    assert any(printable(problem).startswith(wrong) for problem in caught.value.problems)


def test_a_range_that_would_fill_the_memory_is_refused() -> None:
    text = _mapping(splits="{train: {range: [0, 99999999999]}}")
    with pytest.raises(HarmonizeError, match="a range of more than 1000000 pictures"):
        DatasetSpec.from_document(load_text(text, "fine.yaml"))


@pytest.mark.parametrize("picture", ["/etc/{id}", "../{id}", "a/../../{id}"])
def test_a_picture_path_that_leads_out_is_refused_before_any_file_is_listed(picture: str) -> None:
    Path("fine.yaml").write_text(_mapping(picture=f'"{picture}"'))
    command("check", "fine.yaml", "tiny.txt")
    with pytest.raises(HarmonizeError, match=r"^fine.yaml:3:1: picture: .* leads out of the data"):
        DatasetSpec.from_file("fine.yaml")


def test_torchs_own_word_for_no_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, errors_shown():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 GB")
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("error: out of memory; lower data.batch_size")


def test_what_a_message_quotes_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), errors_shown():
        raise HarmonizeError("a\x1b[2Jb.png: no such file\nerror: made up")
    assert capsys.readouterr().err == "error: a\\x1b[2Jb.png: no such file\\nerror: made up\n"
