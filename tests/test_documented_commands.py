"""What README.md and docs/ show runs: their marked commands, programs and files, on the demo."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from documents import Block, documents, marked_blocks
from harmonize.cli import main

LAUNCH = ["accelerate", "launch"]


@pytest.mark.slow
@pytest.mark.timeout(900)  # under a minute on an idle core, several on a busy one
def test_the_marked_blocks_run(
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each distinct command once, in one folder, in the order of the documents.

    ``accelerate launch`` is left out: it starts a single process in the same way, four seconds
    later, and ``.ci/run`` goes through it.
    """
    for name in ("scripts", "configs", "trees", "datasets"):
        (tmp_path / name).symlink_to(repo / name)
    monkeypatch.chdir(tmp_path)
    done: set[tuple[str, ...]] = set()
    for document in documents(repo):
        for block in marked_blocks(document):
            if block.file:
                (tmp_path / block.file).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                exec(compile(block.text, block.place, "exec"), {})
            else:
                for words in block.commands():
                    if tuple(words) not in done:
                        done.add(tuple(words))
                        run(words, block, repo, capsys)
    assert (tmp_path / "scores.json").is_file()
    assert (tmp_path / "runs" / "my_run" / "evaluation.json").is_file()


def run(words: list[str], block: Block, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command; its status must be 0."""
    if words[0] == "harmonize":
        AcceleratorState._reset_state(reset_partial_state=True)  # a process of its own has none
        status = main(words[1:])
        said = "".join(capsys.readouterr())
    else:
        assert words[:2] == LAUNCH, f"{block.place}: {words[0]} is no command that a test runs"
        environment = os.environ | {"PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1"}
        finished = subprocess.run(
            [sys.executable, *words[2:]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        status, said = finished.returncode, finished.stdout
    assert status == 0, f"{block.place}: {' '.join(words)}\n{said}"


def test_a_mark_needs_a_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n\n<!-- runs on the demo -->\n\n```sh\nls\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:3: no block follows the mark"):
        marked_blocks(page)


def test_blocks_are_read_as_a_shell_reads_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- runs on the demo: train.steps=4 -->\n```sh\n"
        "accelerate launch scripts/train_mixed.py \\\n    seed=1  # a comment\n"
        "harmonize predict runs/demo 'a/*.jpg'\n```\n\n<!-- file: a.yaml -->\n```yaml\nx: 1\n```\n"
    )
    commands, file = marked_blocks(page)
    assert commands.commands() == [
        ["accelerate", "launch", "scripts/train_mixed.py", "seed=1", "train.steps=4"],
        ["harmonize", "predict", "runs/demo", "a/*.jpg"],
    ]
    assert (file.file, file.text) == ("a.yaml", "x: 1\n")


def test_the_readme_is_short_and_its_links_lead_somewhere(repo: Path) -> None:
    text = (repo / "README.md").read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(text.splitlines()) <= 200
    assert links
    assert [link for link in links if not (repo / link.partition("#")[0]).exists()] == []
