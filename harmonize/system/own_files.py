"""Files that a user names for output: what harmonize has not written is not replaced unasked."""

from pathlib import Path

from harmonize.errors import HarmonizeError

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


def _ends(path: Path) -> bytes:
    """Return the first and the last bytes of a file."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(path.stat().st_size - _LOOKED_AT, 0))
        return start + file.read(_LOOKED_AT)
