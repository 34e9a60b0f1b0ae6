"""A JSON file in parts gives the items, and the errors, of the whole file."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize import HarmonizeError
from harmonize.labels import json_text
from harmonize.labels.json_items import json_items

VALUES = [1, -2.5e3, "text", 'a "quoted" \\ word', "größe 大", None, True, [], {}, [1, [2, "]"]]]


def content(seed: int) -> Any:
    """Return an object of lists and values, or a list."""
    rng = np.random.default_rng(seed)

    def some() -> list[Any]:
        chosen = [VALUES[n] for n in rng.integers(0, len(VALUES), rng.integers(0, 9))]
        return [{"id": n, "value": value} if n % 2 else value for n, value in enumerate(chosen)]

    return some() if seed % 4 == 0 else {"images": some(), "info": {"year": 1}, "b": some()}


def found(path: Path) -> tuple[list[Any], set[str]]:
    keys: set[str] = set()
    return list(json_items(path, keys)), keys


@pytest.mark.parametrize("part", [1, 2, 7, 64, 1 << 20])
def test_parts_give_every_item_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(json_text, "_PART", part)
    path = tmp_path / "a.json"
    for seed in range(12):
        whole = content(seed)
        indent, ascii_ = (None, 1)[seed % 2], seed % 3 > 0
        text = json.dumps(whole, indent=indent, ensure_ascii=ascii_)
        data = (b"\xef\xbb\xbf" if seed % 5 == 0 else b"") + text.encode() + b" \n" * (seed % 2)
        path.write_bytes(data)
        items, keys = found(path)
        named = {"": whole} if isinstance(whole, list) else whole
        wanted = [
            (key, one)
            for key, value in named.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        assert [(item.key, item.value) for item in items] == wanted
        assert all(json.loads(data[item.start : item.end]) == item.value for item in items)
        assert keys == {key for key, value in named.items() if isinstance(value, list)}


@pytest.mark.parametrize("part", [1, 5, 1 << 20])
def test_what_is_cut_or_wrong_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(json_text, "_PART", part)
    path = tmp_path / "a.json"
    text = '{"images": [{"id": 12, "name": "a"}, 34, tru], "b": 5}'
    whole = text.replace("tru", "true")
    for end in range(len(whole)):
        path.write_text(whole[:end])
        with pytest.raises(HarmonizeError, match=r"a\.json: not JSON: .* \(byte \d+\)"):
            found(path)
    path.write_text(text)
    with pytest.raises(HarmonizeError, match=rf"Expecting value \(byte {text.index('tru')}\)"):
        found(path)
    for wrong, problem in (
        ("7", "expected an object or a list (byte 0)"),
        ("[1, ]", "a comma before the end (byte 4)"),
        ("[1] 2", "more text after its end (byte 3)"),
        ('{"a" 1}', "expected ':' (byte 5)"),
        ("[1 2]", "expected ',' (byte 3)"),
    ):
        path.write_text(wrong)
        with pytest.raises(HarmonizeError) as caught:
            found(path)
        assert problem in str(caught.value)
    with pytest.raises(HarmonizeError, match=r"gone\.json: no such file"):
        found(tmp_path / "gone.json")


def test_a_large_file_needs_no_more_memory_than_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "_PART", 1 << 16)
    path = tmp_path / "a.json"
    item = json.dumps({"id": 1, "points": list(range(400))})
    path.write_text(f"[{', '.join([item] * 4000)}]")
    assert path.stat().st_size > 100 << 16 >> 1
    tracemalloc.start()
    assert sum(1 for _ in json_items(path)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 16
