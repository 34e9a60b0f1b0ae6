"""C code compiled for this machine when it is first needed.

What is compiled is kept in ``$XDG_CACHE_HOME/harmonize`` (``~/.cache/harmonize``), under a name
made from the source, the compiler and the processor. Loading it runs it, so that folder and file
must be this user's, and nobody else may have written to them.
"""

import atexit
import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.system.once import warn_once
from harmonize.system.own_folders import make_own_folder, not_ours_alone, read_own_file

_FLAGS = ("-O3", "-fno-math-errno", "-std=gnu11", "-shared", "-fPIC")
_FOR_THIS_MACHINE = (("-march=native",), ("-mcpu=native",), ())
"""Tried in turn: what compilers call the processor they run on differs."""


@functools.cache
def compiled(source: Path, *defines: str) -> ctypes.CDLL:
    """Return what a file compiles to with some macros, compiling it if it has not been yet.

    Args:
        source: a C file; those that it includes are named from its folder, in quotes.
        defines: as ``NAME=VALUE``.

    Raises:
        HarmonizeError: no C compiler, or one that fails; no place for what it makes.
    """
    compiler = find_compiler()
    command = (*compiler, *(f"-D{define}" for define in defines), *_FLAGS)
    folder = cache_folder()
    try:
        facts = (*_texts(source), *command, _version(compiler), _processor())
        name = hashlib.sha256("\0".join(facts).encode()).hexdigest()
        path = folder / f"{source.parent.name}-{name[:32]}.so"
        if not _is_whole(path):
            _compile(command, source, path)
        return ctypes.CDLL(str(path))
    except OSError as error:  # a full disk, or one from which no program may run
        raise HarmonizeError(
            f"{folder}: {source.name} cannot be compiled and used there: {error}; "
            "name another folder by XDG_CACHE_HOME=..."
        ) from None


def _texts(source: Path) -> list[str]:
    """Return what a C file and all that it includes say."""
    text = source.read_text()
    included = re.findall(r'^#include "(.+)"', text, re.MULTILINE)
    return [text, *(more for name in included for more in _texts(source.parent / name))]


def find_compiler() -> tuple[str, ...]:
    """Return the command of a C compiler: ``CC`` if it is set, else the first that is installed.

    Raises:
        HarmonizeError: there is none.
    """
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise HarmonizeError(f"CC={os.environ['CC']}: {error}; write it as in a shell") from None
    for command in (named,) if named else (["cc"], ["gcc"], ["clang"]):
        if shutil.which(command[0]):
            return tuple(command)
    names = " ".join(named) or "cc, gcc or clang"
    raise HarmonizeError(f"no C compiler ({names}) is installed; install one, or name it by CC=...")


def _compile(command: tuple[str, ...], source: Path, path: Path) -> None:
    """Compile aside and rename, so that several processes may do so at once."""
    failure = ""
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=path.parent) as folder:
        aside = Path(folder) / path.name
        for machine in _FOR_THIS_MACHINE:
            arguments = [*command, *machine, str(source), "-o", str(aside), "-lm"]
            done = _run(arguments)
            if done.returncode == 0:
                code = aside.read_bytes()
                aside.write_bytes(code + hashlib.sha256(code).digest())
                aside.chmod(0o600)  # others may not write to it, whatever the umask
                aside.replace(path)
                return
            if "No space left on device" in done.stderr:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            failure = lines[0] if lines else f"status {done.returncode}"
    raise HarmonizeError(
        f"{source}: {command[0]} cannot compile it: {failure}; name another compiler by CC=..."
    )


def _is_whole(path: Path) -> bool:
    """Say whether a file is ours and ends with its checksum: using a damaged one would crash."""
    content = read_own_file(path)
    length = hashlib.sha256().digest_size
    return content is not None and hashlib.sha256(content[:-length]).digest() == content[-length:]


def _version(compiler: tuple[str, ...]) -> str:
    return _run([*compiler, "--version"]).stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _processor() -> str:
    """Say what the code is compiled for: a home folder may be shared by different machines."""
    facts = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts += sorted({line for line in lines if line.startswith(("flags", "Features", "model"))})
    return "\n".join(facts)


@functools.cache
def cache_folder() -> Path:
    """Return the folder of what is compiled, or one for this process if it cannot be used.

    It cannot where it is not writable, which costs a second, and where others may have written to
    it, which one line on stderr says too.

    Raises:
        HarmonizeError: the folder for temporary files is open to others as well.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with contextlib.suppress(OSError, RuntimeError):
        folder = Path(caches).expanduser() / "harmonize"
        if folder.is_absolute():
            make_own_folder(folder)
        reason = not_ours_alone(folder)
        if reason is None and os.access(folder, os.W_OK):
            return folder
        if reason is not None:
            warn_once(
                f"{folder}: not used for compiled code: {reason}; take that right away by "
                "chmod go-w, or name another folder by XDG_CACHE_HOME=..."
            )
    folder = Path(tempfile.mkdtemp(prefix="harmonize-")).absolute()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    reason = not_ours_alone(folder)
    if reason is not None:
        raise HarmonizeError(
            f"{folder}: compiled code cannot be kept from others there: {reason}; name a folder "
            "of your own by TMPDIR=... or XDG_CACHE_HOME=..."
        )
    return folder
