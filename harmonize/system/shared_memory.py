"""How much shared memory there is for loader processes: a container has 64 MB unless asked."""

import os

from harmonize.system.once import warn_once

try:
    import resource
except ImportError:  # not on this system
    resource = None

PLACE = "/dev/shm"
_OBJECTS, _PAGE = 12, 4096
"""Locks and the like that a loader process has there, each of which takes a page."""
_FILES = 64
"""Open files that a loader process needs: pipes, and the memory of the batches read ahead."""
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


def enough_files(workers: int) -> bool:
    """Raise the limit of open files as far as loader processes need; say whether that is enough."""
    if resource is None or not workers:
        return True
    needed = _FILES * workers + _FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return True
    if hard != resource.RLIM_INFINITY and hard < needed:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return True


def warn_of_little(workers: int) -> None:
    """Warn, in the process that starts loader processes, that they may be slow."""
    free = free_bytes()
    if free is not None and free < _LITTLE:
        warn_once(
            f"warning: {PLACE} has only {free >> 20} MiB free; the {workers} loader processes send "
            "through pipes what does not fit, which is slower (docker run --shm-size=1g gives "
            "more, data.workers=0 needs none)"
        )
