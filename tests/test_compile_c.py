"""C code: compiled once for a machine, kept, made anew when damaged; compilers that fail."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.system import compile_c


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("CC", raising=False)
    compile_c.compiled.cache_clear()
    compile_c.cache_folder.cache_clear()
    yield tmp_path / "caches" / "harmonize"
    compile_c.compiled.cache_clear()
    compile_c.cache_folder.cache_clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return ANSWER; }")
    return path


def ask(source: Path, answer: int) -> int:
    return compile_c.compiled(source, f"ANSWER={answer}").answer()


@pytest.mark.usefixtures("cache")
def test_macros_make_different_code(source: Path) -> None:
    assert ask(source, 42) == 42
    assert ask(source, 7) == 7
    source.write_text(source.read_text().replace("ANSWER;", "ANSWER + 1;"))
    compile_c.compiled.cache_clear()
    assert ask(source, 7) == 8


def test_what_was_compiled_is_kept_and_made_anew_when_damaged(
    cache: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # this process must not know it
        assert pool.apply(ask, (source, 42)) == 42
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert ask(source, 42) == 42
    assert len(kept.read_bytes()) == len(whole)
    compile_c.compiled.cache_clear()
    monkeypatch.setenv("CC", "cc")  # the same compiler
    monkeypatch.setattr(compile_c, "_compile", None)  # would fail
    assert ask(source, 42) == 42


def test_processes_compile_at_once(cache: Path, source: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(ask, [(source, 42)] * 2, chunksize=1) == [42, 42]
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_replaced_by_a_folder_of_the_process(
    cache: Path, source: Path
) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert ask(source, 42) == 42
    assert compile_c.cache_folder() != cache
    assert os.access(compile_c.cache_folder(), os.W_OK)


@pytest.mark.parametrize("where", ["caches", "caches/harmonize"])
def test_a_cache_that_others_may_write_to_is_not_used(
    cache: Path, source: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.mkdir(parents=True)
    open_to_all = cache.parent.parent / where
    open_to_all.chmod(0o777)
    assert ask(source, 42) == 42
    assert compile_c.cache_folder() != cache
    assert not [*cache.iterdir()]
    assert capsys.readouterr().err == (
        f"{cache}: not used for compiled code: others may write to {open_to_all}; take that right "
        "away by chmod go-w, or name another folder by XDG_CACHE_HOME=...\n"
    )


def test_a_cache_of_another_user_is_not_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(HarmonizeError, match=r"compiled code cannot be kept .*; name a .* TMPDIR="):
        compile_c.cache_folder()  # the folder for temporary files is not this user's either
    assert f"{cache} belongs to another user" in capsys.readouterr().err


def test_a_cache_by_a_relative_path_is_not_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(cache.parent.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert compile_c.cache_folder().is_absolute()
    assert not Path("relative").exists()
    assert "relative/harmonize is no absolute path" in capsys.readouterr().err


def test_a_library_that_others_may_have_written_is_made_anew(
    cache: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # this process must not know it
        assert pool.apply(ask, (source, 42)) == 42
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o666)
    calls: list[Path] = []
    make = compile_c._compile

    def compile_noting(command: tuple[str, ...], source: Path, path: Path) -> None:
        calls.append(path)
        make(command, source, path)

    monkeypatch.setattr(compile_c, "_compile", compile_noting)
    assert ask(source, 42) == 42
    assert calls == [kept]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_loaded_or_kept_is_told(
    cache: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_garbage(_: object, __: object, path: Path) -> None:
        path.write_bytes(b"no program")

    monkeypatch.setattr(compile_c, "_compile", compile_garbage)
    with pytest.raises(
        HarmonizeError, match=r"answer\.c cannot be compiled and used there: .*so: "
    ):
        ask(source, 42)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compile_c, "_compile", fail)
    wrong = rf"^{cache}: answer\.c cannot be .* No space left on device; name another folder by XDG"
    with pytest.raises(HarmonizeError, match=wrong):
        ask(source, 42)


@pytest.mark.usefixtures("cache")
def test_a_missing_compiler_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarmonizeError, match=r"no C compiler \(cc, gcc or clang\) is installed"):
        ask(source, 42)
    monkeypatch.setenv("CC", "icx -quiet")
    with pytest.raises(HarmonizeError, match=r"no C compiler \(icx -quiet\) is installed"):
        ask(source, 42)


def test_a_compiler_that_fails_is_quoted(cache: Path, source: Path) -> None:
    source.write_text("int answer(void) { return missing; }")
    with pytest.raises(HarmonizeError, match=r"answer\.c: cc cannot compile it: .*missing"):
        ask(source, 42)
    assert list(cache.iterdir()) == []


def test_a_disk_that_the_compiler_finds_full_is_named(
    cache: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "full"
    compiler.write_text(
        "#!/bin/sh\necho 'as: error: out.so: No space left on device' >&2\nexit 1\n"
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(HarmonizeError) as caught:
        ask(source, 42)
    said = str(caught.value)
    assert said.startswith(f"{cache}: answer.c cannot be")
    assert "No space left on device" in said
    assert "name another folder by XDG_CACHE_HOME" in said
    assert "another compiler" not in said


@pytest.mark.usefixtures("cache")
def test_a_change_of_an_included_file_makes_different_code(source: Path) -> None:
    source.write_text('#include "more.h"\nint answer(void) { return ANSWER + MORE; }')
    source.with_name("more.h").write_text("#define MORE 1")
    assert ask(source, 42) == 43
    compile_c.compiled.cache_clear()
    source.with_name("more.h").write_text("#define MORE 2")
    assert ask(source, 42) == 44
