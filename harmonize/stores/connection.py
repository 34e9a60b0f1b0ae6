"""Asking a remote store: each process for itself, again where the connection was lost."""

import errno
import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from harmonize.errors import HarmonizeError, near_matches
from harmonize.system.extras import DISTRIBUTION

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries, up to half as many more."""
_PATIENCE = {"sock_connect": 30.0, "sock_read": 60.0}
"""Seconds that a web server may keep silent."""
_FOR_GOOD = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EINVAL,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)
_EXTRA = ("s3", "s3a", "http", "https")
"""Protocols whose packages an extra of this one brings along."""
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""What web servers answer that may answer otherwise the next time."""

_left = list[Any]()
"""File systems of the process that this one was forked from, whose connections are not ours to
close."""


class LostConnectionError(HarmonizeError):
    """A remote store cannot be reached; no sample is bad because of that."""


class Connection:
    """Asks the file system that serves an address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opened: tuple[int, AbstractFileSystem, str] | None = None

    def ask(self, place: str, action: "Callable[[AbstractFileSystem], T]") -> T:
        """Return what an action gives; it is tried again where the connection is lost.

        Args:
            place: the full address of what it is about, for errors.
            action: reads something.

        Raises:
            FileNotFoundError: the file is not there.
            LostConnectionError: the connection is lost for good.
            HarmonizeError: the store refuses, or cannot be asked.
        """
        begun = time.monotonic()
        for wait in (*WAITS, None):
            try:
                return action(self.system[0])
            except HarmonizeError:
                raise
            except Exception as told:  # each kind of store raises what it likes
                error = _real_reason(told)
                if isinstance(error, FileNotFoundError):
                    raise error from None
                if not _may_pass(error):
                    raise _refusal(error, place) from None
                if wait is None:
                    spent = time.monotonic() - begun
                    raise LostConnectionError(
                        f"{place}: the connection is lost ({_reason(error)}): {len(WAITS) + 1} "
                        f"tries in {spent:.0f} s; see that the address can be reached, then run "
                        "the same again (a training goes on with train.resume=true)"
                    ) from None
                time.sleep(wait * random.uniform(1, 1.5))
        raise AssertionError("the last try returns or raises")

    @property
    def system(self) -> "tuple[AbstractFileSystem, str]":
        """The file system of this process, and the address as it has it.

        Raises:
            HarmonizeError: there is none for the address, or its package is missing.
        """
        if self._opened is not None and self._opened[0] == os.getpid():
            return self._opened[1:]
        if self._opened is not None:
            _left.append(self._opened[1])
        system, path = _open(self.address)
        self._opened = os.getpid(), system, path
        return system, path

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_opened": None}


def _open(address: str) -> "tuple[AbstractFileSystem, str]":
    import fsspec

    protocol = address.partition("://")[0].lower()
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    try:
        if protocol in ("http", "https"):
            options |= _patient(protocol)
        return fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        extra = f"pip install '{DISTRIBUTION}[remote]'" if protocol in _EXTRA else str(error)
        raise HarmonizeError(f"{address}: needs a package that is not installed: {extra}") from None
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise HarmonizeError(f"{address}: cannot be opened: {error}") from None
        known = ("s3", "https", "gs", "az", "hf", *fsspec.available_protocols())
        raise HarmonizeError(
            f"{address}: no protocol {protocol!r} is known; {near_matches(protocol, known)}"
        ) from None


def _patient(protocol: str) -> dict[str, Any]:
    """Return options by which a silent server is not waited for; the user's own go first."""
    import aiohttp
    from fsspec.config import conf

    if "client_kwargs" in conf.get(protocol, {}):
        return {}
    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, **_PATIENCE)}}


def _real_reason(error: Exception) -> Exception:
    """Return what went wrong: fsspec says of all that a web server does that a file is not there.

    Only one that answers 404 or 410 says so itself.
    """
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return error
    gone = getattr(cause, "status", None) in (404, 410)
    web = type(cause).__module__.startswith("aiohttp") or isinstance(cause, TimeoutError)
    return cause if web and not gone else error


def _may_pass(error: BaseException) -> bool:
    """Say whether the same question may be answered the next time."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        return status in _PASSING
    if isinstance(error, OSError):
        return error.errno not in _FOR_GOOD and not isinstance(error, PermissionError)
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    named = {("botocore", "HTTPClientError"), ("botocore", "ConnectionError")}
    return isinstance(error, TimeoutError) or bool(kinds & named) or _is_of_aiohttp(kinds)


def _is_of_aiohttp(kinds: set[tuple[str, str]]) -> bool:
    return ("aiohttp", "ClientError") in kinds and ("aiohttp", "InvalidURL") not in kinds


def _refusal(error: Exception, place: str) -> HarmonizeError:
    status = getattr(error, "status", None)
    secret = "Credential" in type(error).__name__ or isinstance(error, PermissionError)
    if secret or status in (401, 403):
        anyone = ", or say that none are needed (FSSPEC_S3_ANON=true)" if place[:2] == "s3" else ""
        return HarmonizeError(
            f"{place}: may not be read ({_reason(error)}); give credentials that may by the "
            f"environment{anyone}"
        )
    return HarmonizeError(f"{place}: cannot be read ({_reason(error)}); check the address")


def _reason(error: BaseException) -> str:
    """Say what went wrong in few words, on one line."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        return f"the server answers {status} {getattr(error, 'message', '')}".strip()
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
