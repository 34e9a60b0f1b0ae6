"""``--quiet``: results, problems, warnings and errors alone, and no line twice without it."""

from collections import Counter
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from harmonize import cli
from harmonize.config.strict_yaml import dump
from harmonize.system.progress import is_quiet
from tiny import tiny_values, write_project

Said = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project and a config of six steps, scored in between, with a cache."""
    folder = write_project(tmp_path_factory.mktemp("quiet"))
    values = tiny_values(folder, folder / "run")
    values["train"] = {**dict(values["train"]), "evaluate_every": 3}  # type: ignore[call-overload]
    values["data"] = {**dict(values["data"]), "cache": "disk"}  # type: ignore[call-overload]
    (folder / "run.yaml").write_text(dump(values))
    return folder


@pytest.fixture
def say(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Say":
    monkeypatch.chdir(project)
    return Say(capsys)


class Say:
    """Runs commands."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str, status: int = 0) -> Said:
        """Return the lines on standard output and on standard error."""
        AcceleratorState._reset_state(reset_partial_state=True)
        self._capsys.readouterr()
        assert cli.main(list(words)) == status
        said = self._capsys.readouterr()
        assert not is_quiet()  # whatever runs next in this process
        return said.out.splitlines(), said.err.splitlines()


def trained(folder: Path, say: Say, *words: str) -> Said:
    return say("train", "--config", "run.yaml", f"output={folder}", *words)


def titles(lines: list[str]) -> list[str]:
    return [line for line in lines if ", val: " in line]


def test_training_says_the_scores_and_else_what_is_new_each_time(say: Say, tmp_path: Path) -> None:
    out, err = trained(tmp_path / "loud", say)
    assert [line.partition(":")[0] for line in out[:5]] == [
        "ontology tiny",
        "training on fine (10 pictures), coarse (8 pictures)",
        out[2],
        "step 3",
        "step 6",
    ]
    run = tmp_path / "loud"
    assert out[-2:] == [
        f"The run lies in {run}",
        f"Next: harmonize report {run}, harmonize predict {run} PICTURES -o answers",
    ]
    assert titles(out) == ["fine, val: 5 pictures", "coarse, val: 4 pictures"]
    before = out[: out.index("fine, val: 5 pictures")]
    assert max(Counter(line for line in before if line).values()) == 1
    assert err == [f"cache {tmp_path}/cache: 18 of 18 pictures"]
    out, err = trained(tmp_path / "quiet", say, "--quiet")
    assert titles(out) == ["fine, val: 5 pictures", "coarse, val: 4 pictures"]
    assert not any(line.startswith(("ontology", "step", "training", "The run")) for line in out)
    assert err == []


@pytest.fixture(scope="module")
def run(project: Path) -> Path:
    """Return a trained run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert cli.main(["train", "-q", "--config", "run.yaml", "output=run"]) == 0
    return project / "run"


def test_scoring_says_the_scores(say: Say, run: Path) -> None:
    out, err = say("evaluate", str(run))
    assert out[0].endswith(".safetensors, after 6 steps")
    quiet, nothing = say("evaluate", str(run), "-q")
    assert (quiet, nothing, err) == (out[1:], [], [])


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["predict", "fine_data/00.png", "-o", "answers"], "answers: 1 picture, "),
        (["report", "-o", "page.html"], "page.html is there; open it in a browser"),
    ],
)
def test_what_writes_files_says_nothing(words: list[str], end: str, say: Say, run: Path) -> None:
    command, *more = words
    out, err = say(command, str(run), *more)
    assert out[-1].startswith(end)
    assert err == []
    assert say(command, str(run), *more, "--quiet") == ([], [])


def test_a_check_says_problems_alone(say: Say, tmp_path: Path) -> None:
    out, _ = say("check", "run.yaml", "fine.yaml")
    assert any(line.startswith("fine.yaml: a mapping of 4 classes to tiny") for line in out)
    assert say("check", "run.yaml", "fine.yaml", "-q") == ([], [])
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(Path("fine.yaml").read_text().replace("left: left", "left: lefd"))
    (*problems, number), _ = say("check", "-q", "tiny.txt", str(wrong), status=1)
    assert number == f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    assert "no node 'lefd' in tiny" in problems[0]
    assert not any("a mapping of" in line or "note:" in line for line in problems)


def test_a_draft_says_what_is_to_be_mended_alone(say: Say, tmp_path: Path) -> None:
    words = (
        "new",
        "coarse_data",
        "--tree",
        "tiny.txt",
        "--force",
        "-o",
        str(tmp_path / "new.yaml"),
    )
    out, err = say(*words)
    assert out[0] == "coarse_data: 12 pictures with labels"
    assert out[-1].startswith("  harmonize check ")
    assert (say(*words, "-q"), err) == (([], []), [])
    assert (tmp_path / "new.yaml").is_file()
