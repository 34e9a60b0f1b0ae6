"""What of a run stays on its machine: folders of data, caches and outputs, names of pictures."""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value, dump, load_text
from harmonize.errors import HarmonizeError, raise_all
from harmonize.runs.checkpoint import Checkpoint
from harmonize.runs.started_from import Ancestry

_OF_PICTURES = ("worst", "best", "skipped")
"""Keys of scores that name pictures."""
_ROOTED = re.compile(r"/|~|\\|[A-Za-z]:[\\/]")
_SHORTEST = 4
"""Letters of a path below which it is no secret, and would be found everywhere."""


def shared_config(config: RunConfig, tree: str, trees: Iterable[str]) -> RunConfig:
    """Return a run's config with the names that files have in a package, and without folders."""
    value: dict[str, Any] = config.to_dict()
    names = [f"trees/{name}.txt" for name in trees]
    value |= {"output": None, "ontologies": names}
    value["ontology"] = "" if names else f"trees/{tree}.txt"
    value["data"] |= {"roots": {}, "cache_folder": None}
    for entry in (*value["datasets"], *value["evaluate_also"]):
        entry["spec"] = f"mappings/{PurePosixPath(entry['spec']).name}"
        entry["override"] = {
            key: _alone(one) for key, one in entry["override"].items() if key != "root"
        }
    weights = value["model"]["weights"]
    if weights is not None and not weights.startswith("package:"):
        value["model"]["weights"] = Path(weights).name
    if value["train"]["start_from"] is not None:
        value["train"]["start_from"] = Path(value["train"]["start_from"]).name
    value["train"]["resume"] = False
    return RunConfig.from_document(Document("the run's config", value))


def shared_mapping(text: str, ids: Mapping[str, int] | None = None) -> str:
    """Return a mapping without folders: lists in full are named alone.

    Args:
        text: the mapping.
        ids: of its classes, in place of the data set's own file of them.
    """
    value: Any = load_text(text, "the run's mapping").value
    if ids is not None:
        del value["class_file"]
        value["classes"] = dict(ids)
    root = value.get("root")
    if isinstance(root, str) and _is_private(root):
        del value["root"]
    for split in value.get("splits", {}).values():
        listed = split.get("list") if isinstance(split, dict) else None
        if isinstance(listed, str) and _is_private(listed):
            split["list"] = _alone(listed)
    return dump(value)


def _is_private(path: str) -> bool:
    """Say whether a path leads anywhere but below the working directory."""
    return bool(_ROOTED.match(path)) or ".." in path.split("/")


def _alone(value: Value) -> Value:
    """Return a file's name where a value is its whole path; other values as they are."""
    is_path = isinstance(value, str) and _is_private(value)
    return PurePosixPath(value).name if isinstance(value, str) and is_path else value


def shared_evaluation(data: bytes, where: Path) -> bytes:
    """Return scores without the names of pictures.

    Raises:
        HarmonizeError: the file is damaged.
    """
    try:
        value: dict[str, Any] = json.loads(data)
        for scores in value["datasets"].values():
            for key in _OF_PICTURES:
                scores.pop(key, None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HarmonizeError(f"{where}: is damaged; score the run again") from None
    return (json.dumps(value, indent=2) + "\n").encode()


def shared_metrics(data: bytes) -> bytes:
    """Return the lines of a log that curves are drawn from, without the names of pictures."""
    lines: list[str] = []
    for line in data.decode(errors="replace").splitlines():
        try:
            value: dict[str, Any] = json.loads(line)
            if value["event"] not in ("train", "evaluation"):
                continue
            for scores in value.get("datasets", {}).values():
                for key in _OF_PICTURES:
                    scores.pop(key, None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # as in a report
        lines.append(json.dumps(value))
    return "".join(f"{line}\n" for line in lines).encode()


def shared_ancestry(ancestry: Ancestry) -> Ancestry:
    """Return an ancestry in which runs have their names, without the folders above them."""
    ancestors = tuple(
        dataclasses.replace(one, run=PurePosixPath(one.run).name) for one in ancestry.ancestors
    )
    return dataclasses.replace(ancestry, ancestors=ancestors)


def private_paths(run: Path, state: Checkpoint, more: Iterable[Path]) -> set[str]:
    """Return the paths of this machine that a package must not tell."""
    config = state.run_config()
    found: list[str | None] = [str(run), str(run.absolute()), str(run.resolve())]
    found += [str(Path.cwd()), str(Path.home()), os.environ.get("HARMONIZE_DATA")]
    found += [config.output, config.data.cache_folder, config.train.start_from]
    found += [config.model.weights, config.ontology, *config.ontologies]
    for entry in (*config.datasets, *config.evaluate_also):
        found += [entry.spec, _text(entry.override.get("root"))]
    for mapping in state.mappings:
        value: Any = load_text(mapping, "the run's mapping").value
        found.append(_text(value.get("root")))
    found += [*config.data.roots.values(), *map(str, more)]
    paths = {os.path.expanduser(path).rstrip("/") for path in found if path}  # noqa: PTH111
    return {path for path in paths if path.startswith("/") and len(path) >= _SHORTEST}


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def check_nothing_private(folder: Path, names: Iterable[str], paths: Iterable[str]) -> None:
    """Make sure that no file names a path of this machine.

    Raises:
        HarmonizeError: each file that does, with the first such path.
    """
    known = sorted((os.fsencode(path) for path in paths), key=len, reverse=True)
    if not known:
        return
    pattern = re.compile(rb"(?<![\w/.+-])(?:" + b"|".join(map(re.escape, known)) + rb")(?![\w-])")
    problems: list[str] = []
    for name in names:
        match = pattern.search((folder / name).read_bytes())
        if match:
            problems.append(
                f"{name}: would tell {os.fsdecode(match[0])}, a path of this machine; take it out "
                "of the mapping or config that says it (`about`, `model.args`)"
            )
    raise_all(problems)
