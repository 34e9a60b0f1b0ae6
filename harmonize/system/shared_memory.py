"""How much shared memory there is for loader processes: a container has 64 MB unless asked."""

import functools
import os
import sys

PLACE = "/dev/shm"
_OBJECTS, _PAGE = 12, 4096
"""Locks and the like that a loader process has there, each of which takes a page."""
_LITTLE = 256 << 20
"""Bytes below which batches are likely to go through pipes."""


def free_bytes() -> int | None:
    """Return the free bytes of shared memory; None where nothing is known of it."""
    try:
        found = os.statvfs(PLACE)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def has_room(workers: int) -> bool:
    """Say whether the queues and locks of so many loader processes have room there."""
    free = free_bytes()
    return not workers or free is None or free > (_OBJECTS * workers + _OBJECTS) * _PAGE


@functools.cache
def warn_of_little(workers: int) -> None:
    """Warn once, in the process that starts loader processes, that they may be slow."""
    free = free_bytes()
    if free is not None and free < _LITTLE:
        print(
            f"warning: {PLACE} has only {free >> 20} MiB free; the {workers} loader processes send "
            "through pipes what does not fit, which is slower (docker run --shm-size=1g gives "
            "more, data.workers=0 needs none)",
            file=sys.stderr,
        )
