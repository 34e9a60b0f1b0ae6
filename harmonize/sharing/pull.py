"""Pull a package: a run folder that is checked before it is there."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from harmonize.errors import HarmonizeError, raise_all
from harmonize.models.own_code import needs_code
from harmonize.runs.checkpoint import load
from harmonize.runs.opened import open_run
from harmonize.runs.run_folder import CONFIG
from harmonize.sharing.address import open_store
from harmonize.sharing.manifest import GIB, MANIFEST, Manifest, facts_of, is_beside, read_manifest
from harmonize.sharing.store import PackageStore
from harmonize.system.atomic_files import part_of, writing
from harmonize.system.compile_c import cache_folder
from harmonize.system.own_folders import make_own_folder
from harmonize.system.progress import ProgressLine

MOST_GIB = 8.0
"""Of all files together, unless told otherwise."""
_SMALL = 1 << 20


def pull_run(address: str, output: Path | None = None, *, most_gib: float = MOST_GIB) -> Path:
    """Copy a package into a folder, and return that.

    Args:
        address: ``hub:USER/NAME``, a folder, or what fsspec opens.
        output: the folder, empty or not there; of the package's name unless given.
        most_gib: GiB that the package may have.

    Raises:
        HarmonizeError: no package, one that is not whole or not what its manifest says, or no
            place for it; nothing is left behind then.
    """
    store = open_store(address)
    manifest = _look(store, most_gib)
    folder = Path(_name(manifest)) if output is None else output
    _claim(folder, given=output is not None)
    _fetch_into(store, manifest, folder)
    return folder


def cached_run(address: str) -> Path:
    """Return the run folder of a package in the user's cache, pulled if it is not there.

    Raises:
        HarmonizeError: as for ``pull_run``.
    """
    store = open_store(address)
    manifest = _look(store, MOST_GIB)
    key = hashlib.sha256(manifest.to_bytes()).hexdigest()[:16]
    folder = cache_folder() / "pulled" / f"{_name(manifest)}-{key}"
    if not (folder / CONFIG).is_file():
        with writing(folder):
            make_own_folder(folder.parent)
        _fetch_into(store, manifest, folder)
    return folder


def _name(manifest: Manifest) -> str:
    """Return the run's name as a folder's; one that would lead elsewhere is not taken."""
    name = manifest.name
    is_plain = name and name not in (".", "..") and not set(name) & set("/\\\0:")
    return name if is_plain and not name.startswith((".", "-", "~")) else "pulled"


def _look(store: PackageStore, most_gib: float) -> Manifest:
    """Read the manifest, and make sure that the files it names are there, and no others."""
    address, there = store.address, store.sizes()
    if not there:
        raise HarmonizeError(f"{address}: there is nothing")
    if MANIFEST not in there:
        raise HarmonizeError(
            f"{address}: has no {MANIFEST}; it is no package of `harmonize push`, or not whole yet"
        )
    with tempfile.TemporaryDirectory(prefix="harmonize-") as place:
        path = Path(place, MANIFEST)
        store.fetch(MANIFEST, path, _SMALL)
        manifest = read_manifest(path, address)
    manifest.check(address, int(most_gib * GIB))
    problems: list[str] = []
    for name, facts in manifest.files.items():
        if name not in there:
            problems.append(f"{address}: {name} is missing; push the run again")
        elif there[name] != facts.bytes:
            problems.append(
                f"{address}: {name} has {there[name]} bytes, its manifest says {facts.bytes}"
            )
    for name in there:
        if name not in manifest.files and name != MANIFEST and not is_beside(name):
            problems.append(f"{address}: {name} is not in its manifest; it may be anything")
    raise_all(problems)
    return manifest


def _claim(folder: Path, *, given: bool) -> None:
    """Refuse a folder that holds something."""
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        name = f"--output {folder}" if given else str(folder)
        raise HarmonizeError(f"{name}: exists already; name another folder with --output")


def _fetch_into(store: PackageStore, manifest: Manifest, folder: Path) -> None:
    """Fetch the files beside a folder, check them, and rename them to it."""
    target = folder.absolute()
    aside = part_of(target)
    try:
        with writing(target):
            aside.mkdir(parents=True)
            with ProgressLine(len(manifest.files), f"pulling {store.address}", "files") as bar:
                for name, facts in bar.over(manifest.files.items()):
                    path = aside / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    store.fetch(name, path, facts.bytes)
                    if facts_of(path) != facts:
                        raise HarmonizeError(
                            f"{store.address}: {name} is not what its manifest says (SHA-256); it "
                            "was damaged or changed"
                        )
            (aside / MANIFEST).write_bytes(manifest.to_bytes())
        _check_run(aside, manifest, store.address)
        with writing(target):
            if target.is_dir():
                target.rmdir()
            aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_run(folder: Path, manifest: Manifest, address: str) -> None:
    """Make sure that the tree, the mappings and the config are those that the weights belong to."""
    weights = folder / manifest.weights
    try:
        state = load(weights)
        sources = state.sources()
    except HarmonizeError as error:
        raise HarmonizeError(f"{address}: {_short(error, folder)}") from None
    texts = {CONFIG: state.config}
    texts |= {f"trees/{name}.txt": text for name, text in state.trees or (state.ontology,)}
    named = zip(sources.specs, state.mappings, strict=True)
    texts |= {f"mappings/{spec.name}.yaml": text for spec, text in named}
    given = {name for name in manifest.files if name == CONFIG or "/" in name} - {manifest.weights}
    problems = [
        f"{address}: {name} is not what the weights belong to; push the run again"
        for name in sorted(given | texts.keys())
        if name not in given or name not in texts or _differs(folder / name, texts[name])
    ]
    if state.step != manifest.step:
        problems.append(f"{address}: the weights are of step {state.step}, not {manifest.step}")
    raise_all(problems)
    if needs_code(state.run_config().model):
        return
    try:
        open_run(folder, several="any").network("cpu")
    except HarmonizeError as error:
        raise HarmonizeError(f"{address}: {_short(error, folder)}") from None


def _differs(path: Path, text: str) -> bool:
    return path.read_bytes() != text.encode()


def _short(error: HarmonizeError, folder: Path) -> str:
    return error.problems[0].replace(f"{folder}/", "")
