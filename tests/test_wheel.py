"""What is installed: a wheel with all that the commands need, and nothing else."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

SHIPPED = {"trees": "*.txt", "datasets": "*.yaml", "configs": "*.yaml"}
PACKAGE_FILES = {".py", ".c", ".h", ".css", ".js", ".html", ".jinja"}


@pytest.fixture(scope="session")
def built(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and a wheel from it, of a copy of the clone's files; return their folder."""
    root = tmp_path_factory.mktemp("built")
    source = root / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(repo / name, source)
    for name in ("harmonize", "tests", "scripts", "docs", *SHIPPED):
        junk = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(repo / name, source / name, ignore=junk)
    (source / "harmonize" / "notes.txt").write_text("junk\n")
    (source / "trees" / "faces.txt~").write_text("junk\n")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(root / "dist")]
    run([*build, str(source)], root)
    return root / "dist"


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel away from the clone, without what it depends on; return the folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, "--target", str(folder), str(wheel)], folder)
    return folder


def run(command: list[str], folder: Path, *, status: int = 0, **environment: str) -> str:
    """Run a command that must end with a status, and return what it prints."""
    ours = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        command, cwd=folder, env=ours, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def expected(repo: Path) -> set[str]:
    """Return the files that an installation has, named as in the wheel."""
    code = {
        str(path.relative_to(repo))
        for path in (repo / "harmonize").rglob("*")
        if path.suffix in PACKAGE_FILES
    }
    shipped = {
        f"harmonize/shipped/{path.relative_to(repo)}"
        for folder, pattern in SHIPPED.items()
        for path in (repo / folder).rglob(pattern)
    }
    assert len(shipped) > 30
    return code | shipped


def test_the_wheel_has_all_code_and_shipped_files_and_nothing_else(repo: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        for name in names:
            place = name.removeprefix("harmonize/shipped/") if "/shipped/" in name else name
            assert archive.read(name) == (repo / place).read_bytes()
    assert names == expected(repo)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    assert wheel.name.startswith("harmonize_seg-")
    with zipfile.ZipFile(wheel) as archive:
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(about).decode()
        (commands,) = [n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt")]
        assert "harmonize = harmonize.cli:main" in archive.read(commands).decode()
    assert "\nName: harmonize-seg\n" in text
    assert "\nRequires-Dist: torch>=2.11\n" in text
    assert "\nProvides-Extra: encoders\n" in text


def test_the_source_distribution_has_what_the_wheel_is_built_from(repo: Path, built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    wanted = {name.removeprefix("harmonize/shipped/") for name in expected(repo)}
    assert wanted | {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["tree", "trees/faces.txt"], "── upper_lip"),
        (["check", "configs/demo.yaml"], "configs/demo.yaml: a config of helen, lfw_parts on the"),
        (["check", "datasets/helen.yaml"], "datasets/helen.yaml: a mapping of 11 classes to"),
    ],
)
def test_an_installation_finds_what_it_ships_from_any_folder(
    installed: Path, tmp_path: Path, arguments: list[str], printed: str
) -> None:
    command = [sys.executable, "-m", "harmonize", *arguments]
    assert printed in run(command, tmp_path, PYTHONPATH=str(installed))


def test_an_installation_names_the_trees_that_it_ships(installed: Path, tmp_path: Path) -> None:
    mapping = installed / "harmonize" / "shipped" / "datasets" / "helen.yaml"
    (tmp_path / "mine.yaml").write_text(mapping.read_text().replace("faces:", "facse:"))
    command = [sys.executable, "-m", "harmonize", "check", "mine.yaml"]
    printed = run(command, tmp_path, status=1, PYTHONPATH=str(installed))
    assert "there is no tree facse.txt beside the mapping" in printed
    assert "did you mean faces" in printed
