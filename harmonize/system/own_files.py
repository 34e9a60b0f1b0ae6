"""Files that a user names for output: what harmonize has not written is not replaced unasked."""

from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.system.atomic_files import write_whole, writing

_LOOKED_AT = 4096
"""Bytes at the start and at the end of a file in which it says who wrote it."""


def check_output(path: Path, mark: str, *, option: str = "", force: bool = False) -> None:
    """Make sure that a file may be written: it is not there, or empty, or carries a mark.

    Devices and pipes have nothing to lose.

    Args:
        path: of the file.
        mark: that every file written for this purpose has within its first or last bytes.
        option: that named the file, for the error.
        force: replace any file.

    Raises:
        HarmonizeError: it is a folder, its folder is not there, or it is somebody else's.
    """
    name = f"{option} {path}".strip()
    try:
        if path.is_dir():
            raise HarmonizeError(f"{name}: is a folder; name a file")
        if not path.absolute().parent.is_dir():
            raise HarmonizeError(f"{name}: its folder does not exist; make it first")
        if force or not path.is_file() or mark.encode() in _ends(path):
            return
        if path.stat().st_size == 0:
            return
    except OSError as error:
        raise HarmonizeError(f"{name}: cannot be read: {error.strerror or error}") from None
    raise HarmonizeError(
        f"{name}: is there already, and not from this command; remove it, name another file, or "
        "replace it with --force"
    )


def check_page(path: Path, mark: str, *, option: str = "", force: bool = False) -> None:
    """Make sure that a page may be written, as ``check_output`` does, and is called one."""
    if path.suffix.lower() != ".html":
        raise HarmonizeError(f"{f'{option} {path}'.strip()}: is a page; expected a name in .html")
    check_output(path, mark, option=option, force=force)


def write_output(path: Path, text: str) -> None:
    """Write a whole file; what UTF-8 cannot hold is written as an escape.

    Raises:
        HarmonizeError: it cannot be written.
    """
    with writing(path):
        write_whole(path, text.encode(errors="backslashreplace"))


def _ends(path: Path) -> bytes:
    """Return the first and the last bytes of a file."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(path.stat().st_size - _LOOKED_AT, 0))
        return start + file.read(_LOOKED_AT)
