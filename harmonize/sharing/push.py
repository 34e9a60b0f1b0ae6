"""Push a run: pack it and put the package where an address leads."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.plurals import counted
from harmonize.report.make_report import NAME as REPORT
from harmonize.sharing.address import open_store
from harmonize.sharing.build_package import PackOptions, build_package
from harmonize.sharing.manifest import (
    CARD,
    GIB,
    MANIFEST,
    Manifest,
    is_beside,
    may_be_of_package,
    read_manifest,
)
from harmonize.system.progress import tell

_SMALL = 1 << 20


def push_run(
    run: Path, address: str, options: PackOptions, *, force: bool = False, public: bool = False
) -> None:
    """Put the package of a run at an address.

    Args:
        run: the run folder.
        address: ``hub:USER/NAME``, a folder, or what fsspec opens.
        options: what is packed.
        force: replace another package, or a file that a package has too.
        public: whether a new repository of a hub may be seen by all.

    Raises:
        HarmonizeError: the run cannot be packed, or the place is taken or cannot be written.
    """
    store = open_store(address, public=public)
    there = store.sizes()
    _refuse_foreign(address, there)
    with tempfile.TemporaryDirectory(prefix="harmonize-") as place:
        package = build_package(run, Path(place) / run.resolve().name, options, address)
        manifest = package.manifest
        for note in package.notes:
            tell(note)
        if MANIFEST in there:
            path = Path(place, MANIFEST)
            store.fetch(MANIFEST, path, _SMALL)
            other = read_manifest(path, address)
            if _is_there(other, manifest, there):
                tell(f"{address}: holds {manifest.title} already; nothing is written")
                return
            _refuse_other(other, manifest, address, force=force)
        elif there.keys() & {*manifest.files} and not force:
            name = min(there.keys() & {*manifest.files})
            raise HarmonizeError(
                f"{address}: has a file {name} already, which is of no package; replace it with "
                "--force, or name another address"
            )
        names = [*manifest.files, MANIFEST]
        stale = [name for name in there if may_be_of_package(name) and name not in names]
        store.publish(package.folder, names, stale)
        size = sum(facts.bytes for facts in manifest.files.values())
        tell(f"{address}: {manifest.title}, {counted(len(names), 'file')}, {_size(size)}")


def _is_there(other: Manifest, manifest: Manifest, there: Mapping[str, int]) -> bool:
    """Say whether a place holds the same network, scores and texts, as whole files.

    A report and a card say when and by what they were made, and may differ.
    """
    told = {CARD, REPORT}
    same = {name: facts for name, facts in manifest.files.items() if name not in told}
    sizes = {name: facts.bytes for name, facts in other.files.items()}
    return same == {
        name: facts for name, facts in other.files.items() if name not in told
    } and sizes == {name: size for name, size in there.items() if name in sizes}


def _refuse_other(other: Manifest, manifest: Manifest, address: str, *, force: bool) -> None:
    """Refuse to replace a package with another network, unless that is asked for."""
    weights = manifest.weights
    if not force and other.files.get(weights) != manifest.files[weights]:
        raise HarmonizeError(
            f"{address}: holds another package already, {other.title}; replace it with --force, "
            "or name another address"
        )


def _refuse_foreign(address: str, there: Mapping[str, int]) -> None:
    """Refuse a place with files that no package has: nobody wants them replaced or among it."""
    names = [name for name in there if not (is_beside(name) or may_be_of_package(name))]
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise HarmonizeError(
            f"{address}: holds files that are of no package ({min(names)}{more}); name a folder "
            "that is empty or not there"
        )


def _size(number: int) -> str:
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / (1 << 20):.1f} MiB"
