"""The bytes that a gzip file packs, read at any place: states of the decoder are kept on the way.

A gzip file can only be read from its beginning. Every few megabytes the decoder's state, which is
small, is copied; reading goes on from the nearest copy before the place that is wanted.
"""

import zlib
from dataclasses import dataclass
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.stores.ranged import Bytes

_SPACING = 1 << 22
"""Unpacked bytes between copies, at first."""
_MOST_COPIES = 256
"""Of 40 KB each; from then on they lie twice as far apart."""
_PACKED = 1 << 16
_UNPACKED = 1 << 20
_GZIP = 31
"""What zlib calls data with gzip's header and checksum."""


@dataclass
class _State:
    """A decoder, the place of its next byte, and of the next packed byte that it takes."""

    decoder: Any
    place: int = 0
    packed: int = 0

    def copy(self) -> "_State":
        return _State(self.decoder.copy(), self.place, self.packed)


class GzipBytes:
    """The bytes that a gzip file packs."""

    size: int = 1 << 62
    """Not known before all is read, and nothing asks beyond the end."""

    def __init__(self, packed: Bytes) -> None:
        self.place, self.stamp = packed.place, packed.stamp
        self._packed = packed
        self._forget()

    def _forget(self) -> None:
        self._spacing = _SPACING
        self._copies = [_State(zlib.decompressobj(_GZIP))]
        self._now = self._copies[0].copy()
        self._last = 0, b""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from one place to another, fewer at the end.

        Raises:
            HarmonizeError: the file is damaged.
        """
        first, data = self._last
        if not first <= start <= self._now.place:
            self._now = next(copy for copy in self._copies[::-1] if copy.place <= start).copy()
            first, data = self._now.place, b""
        parts = [data[start - first : end - first]]
        while self._now.place < end:
            first, found = self._now.place, self._next()
            if found is None:
                break
            self._last = first, found
            parts.append(found[max(start - first, 0) : end - first])
        return b"".join(parts)

    def _next(self) -> bytes | None:
        """Unpack some more; None at the end."""
        now = self._now
        if now.decoder.eof and not self._begin_next():
            return None
        part = self._packed.read(now.packed, min(now.packed + _PACKED, self._packed.size))
        try:
            data = now.decoder.decompress(part, _UNPACKED)
        except zlib.error as error:
            raise HarmonizeError(
                f"{self.place}: is damaged ({error}); take it from where it is whole"
            ) from None
        if not part and not data and not now.decoder.eof:
            raise HarmonizeError(f"{self.place}: is cut off; take it from where it is whole")
        over = now.decoder.unused_data if now.decoder.eof else now.decoder.unconsumed_tail
        now.packed += len(part) - len(over)
        now.place += len(data)
        if now.place >= self._copies[-1].place + self._spacing and not now.decoder.eof:
            self._copies.append(now.copy())
            if len(self._copies) > _MOST_COPIES:
                self._copies, self._spacing = self._copies[::2], 2 * self._spacing
        return data

    def _begin_next(self) -> bool:
        """Go on with the next of several gzip files in one; zeros may follow the last."""
        now = self._now
        rest = self._packed.read(now.packed, min(now.packed + 2, self._packed.size))
        if rest != b"\x1f\x8b":
            return False
        now.decoder = zlib.decompressobj(_GZIP)
        return True

    def __getstate__(self) -> dict[str, object]:
        kept = {key: value for key, value in self.__dict__.items() if key[0] != "_"}
        return {**kept, "_packed": self._packed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
