"""Ids that are those of the label files moved by one are asked about."""

from pathlib import Path

import numpy as np
import pytest

from spoiled import LABEL, add, passes, problems, spoil, write_set

MEANING = "{tiny: {background: background, left: left, right: right, void: ignore}}"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def test_labels_from_0_where_0_is_ignored_and_the_last_class_is_never_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(classes="{void: 0, background: 1, left: 2, right: 3}", meaning=MEANING)
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:7:44: classes.right: 'right' is in no label file of train; shifted by one? The "
        "classes have the ids 1 to 3, the files 0 to 2; if 0, which is ignored, is 'background', "
        "write 0 to 2 [accept: {never-seen: [right]}]"
    ]
    spoil(
        classes="{void: 0, background: 1, left: 2, right: 3}",
        meaning=MEANING,
        accept="{never-seen: [right]}",
    )
    passes(capsys, "fine.yaml")


def test_labels_from_0_where_0_is_no_class(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(classes="{background: 1, left: 2, right: 3}")
    told = problems(capsys, "fine.yaml")
    assert told[0].startswith("fine.yaml:7:1: classes: the id 0 is no class's")
    assert "if 0, no class's, is 'background', write 0 to 2 [accept" in told[1]
    assert len(told) == 2


def test_labels_from_1_where_the_mapping_counts_from_0(capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        add(name, LABEL + 1)
    told = problems(capsys, "fine.yaml")
    assert told[0].startswith("fine.yaml:7:1: classes: the id 3 is no class's")
    assert "'background' is in no label file of train; shifted by one? The classes have the ids 0 "
    assert "to 2, the files 1 to 3; if 3, no class's, is 'right', write 1 to 3 [acc" in told[1]


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        ("{void: 7, background: 1, left: 2, right: 3}", np.maximum(LABEL, 1)),  # no 0 either
        ("{void: 0, background: 1, left: 2, right: 4}", LABEL),  # there is a gap
        ("{void: 0, background: 1, left: 2, right: 3}", LABEL // 2),  # two are never seen
        ("{void: 0, background: 1, left: 3, right: 2}", np.minimum(LABEL * 3, 3)),  # in the middle
    ],
)
def test_other_classes_that_are_never_seen_are_not_asked_about(
    capsys: pytest.CaptureFixture[str], classes: str, label: np.ndarray
) -> None:
    for name in "ab":
        add(name, label.astype(np.uint8))
    spoil(classes=classes, meaning=MEANING)
    told = problems(capsys, "fine.yaml")
    assert any("is in no label file" in line for line in told)
    assert not any("shifted" in line for line in told)
