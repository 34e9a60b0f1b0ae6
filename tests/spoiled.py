"""One tiny data set with a mapping, a tree and a config, for tests to spoil."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from harmonize import cli

TREE = "background\nthing\n\tleft\n\tright\n@mirror left right\n"
MAPPING = {
    "name": "fine",
    "root": "data",
    "picture": '"images/{id}.png"',
    "label": '"labels/{id}.png"',
    "encoding": "ids",
    "splits": '{train: {glob: "labels/{id}.png"}}',
    "classes": "{background: 0, left: 1, right: 2}",
    "meaning": "{tiny: {background: background, left: left, right: right}}",
}
"""The keys of the mapping: one a line, from line 1 on."""
CONFIG = "ontology: tiny.txt\ndatasets: [{spec: fine.yaml, train: train}]\n"
LABEL = np.array([[0, 0, 1, 1, 2, 2]] * 4, dtype=np.uint8)
"""Eight pixels of each class; ``left`` lies left of ``right``."""


def mapping(**changed: str) -> str:
    """Return the mapping's text with some keys replaced, and further ones below."""
    return "".join(f"{key}: {value}\n" for key, value in {**MAPPING, **changed}.items())


def spoil(**changed: str) -> None:
    """Write the mapping again with some keys replaced."""
    Path("fine.yaml").write_text(mapping(**changed))


def save(file: str, pixels: ndarray) -> None:
    """Write a picture file, making its folder."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def add(name: str, label: ndarray = LABEL) -> None:
    """Write a picture, black but for its name, and its label."""
    picture = np.zeros((*label.shape[:2], 3), np.uint8)
    picture[0, 0] = [*f"{name[:3]:<3}".encode()]
    save(f"data/images/{name}.png", picture)
    save(f"data/labels/{name}.png", label)


def write_set(folder: Path, monkeypatch: pytest.MonkeyPatch, names: Iterable[str] = "ab") -> Path:
    """Write everything into a folder, without a mistake, and make it the working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HARMONIZE_DATA", raising=False)
    Path("tiny.txt").write_text(TREE)
    Path("run.yaml").write_text(CONFIG)
    spoil()
    for name in names:
        add(name)
    return folder


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Run ``harmonize check`` and return its exit status and its lines, without the tables."""
    status = cli.main(["check", *arguments])
    return status, capsys.readouterr().out.split("\n\n")[-1].splitlines()


def problems(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the problems that ``harmonize check`` prints, having made sure that it fails."""
    status, lines = check(capsys, *arguments)
    assert status == 1
    count = len(lines) - 1
    assert lines.pop() == f"{count} problem{'s' if count > 1 else ''}"
    return lines


def passes(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return what ``harmonize check`` prints, having made sure that it finds nothing."""
    status, lines = check(capsys, *arguments)
    assert status == 0, lines
    return lines
