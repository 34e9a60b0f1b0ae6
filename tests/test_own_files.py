"""Files of others are not replaced, unless --force is given."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize import cli
from harmonize.config.strict_yaml import dump
from harmonize.pipeline.train import train
from harmonize.system.own_files import check_output
from tiny import tiny_config, tiny_values, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("project"))
    (folder / "run.yaml").write_text(dump(tiny_values(folder, folder / "new")))
    train(tiny_config(folder, folder / "run"), name="tiny")
    return folder


def words_of(project: Path, output: Path) -> dict[str, list[str]]:
    config = str(project / "run.yaml")
    return {
        "csv": ["check", config, "--scan", "2", "--csv", str(output)],
        "json": ["evaluate", str(project / "run"), "--json", str(output)],
        "schema": ["schema", "config", "-o", str(output)],
        "page": ["look", config, "--number", "1", "-o", str(output.with_suffix(".html"))],
        "sheet": ["look", config, "--number", "1", "-o", str(output.with_suffix(".png"))],
        "photo": ["look", config, "--number", "1", "-o", str(output.with_suffix(".jpg"))],
        "labels": ["look", config, "--labels", "-o", str(output.with_suffix(".html"))],
        "report": ["report", str(project / "run"), "-o", str(output)],
        "benchmark": ["benchmark", "data", "--quick", "--device", "cpu", "--json", str(output)],
    }


def status(words: list[str]) -> int:
    try:
        return cli.main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    "what",
    ["csv", "json", "schema", "page", "sheet", "photo", "labels", "report", "benchmark"],
)
def test_a_file_of_somebody_else_stays_and_one_s_own_is_replaced(
    project: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(project, tmp_path / "out")[what]
    path = Path(words[-1])
    path.write_text("my own work")
    assert status(words) == 2
    assert path.read_text() == "my own work"
    problem = "is there already, and not from this command; remove it, name another file, or"
    assert problem in capsys.readouterr().err
    assert status([*words, "--force"]) == 0
    first = path.read_bytes()
    assert b"my own work" not in first
    assert status(words) == 0  # it is this command's now
    path.write_bytes(b"")  # nothing to lose
    assert status(words) == 0
    beside = ["out.pictures.npz"] if what == "json" else []
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, *beside]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "--json {path}: is a folder; name a file"),
        (lambda _: None, "--json {path}/x: its folder does not exist; make it first"),
    ],
)
def test_a_place_for_no_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "out"
    make(path)
    with pytest.raises(ValueError, match=problem.format(path=path)):
        check_output(path if path.exists() else path / "x", "mark", option="--json", force=True)


def test_a_mark_counts_at_the_start_and_at_the_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for text in ("mark" + "x" * 9000, "x" * 9000 + "mark", "mark"):
        path.write_text(text)
        check_output(path, "mark")
    path.write_text("x" * 5000 + "mark" + "x" * 5000)
    with pytest.raises(ValueError, match="is there already"):
        check_output(path, "mark")
    check_output(Path("/dev/null"), "mark")


@pytest.mark.parametrize(
    "files",
    [
        {"config.yaml": "steps: 3  # my own program's\n"},
        {"config.yaml": "", "notes.txt": ""},
        {"thesis.tex": "my own work"},
        {},
    ],
)
def test_a_folder_of_somebody_else_is_no_place_for_a_run(
    project: Path, tmp_path: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    words = ["train", "--config", str(project / "run.yaml"), f"output={folder}"]
    assert status(words) == 2
    assert "theirs: exists already; continue it with train.resume=true" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_a_study_leaves_a_table_of_somebody_else(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.md").write_text("my own work")
    config = str(project / "run.yaml")
    words = ["compare-losses", "--config", config, "--seeds", "0", "--losses", "flat", "finest"]
    words += ["-o", str(tmp_path), "train.steps=1", "train.report=false"]
    assert status(words) == 2
    assert "table.md: is there already, and not from this command" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]
    assert status([*words, "--force"]) == 0
    assert (tmp_path / "table.md").read_text().startswith("# ")
    assert status(words) == 0


def test_a_second_prediction_into_one_folder_is_refused(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_locks import holder

    words = ["predict", str(project / "run"), str(project / "fine_data" / "00.png")]
    words += ["-o", str(tmp_path), "--no-overlay", "--cpu"]
    with holder(tmp_path):
        assert status(words) == 2
        assert f"{tmp_path}: in use by process" in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert status(words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00.png", "legend.json"]
