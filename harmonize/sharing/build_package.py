"""Make the files of a package from a run folder."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harmonize import __version__
from harmonize.calibration.calibration_file import NAME as CALIBRATION
from harmonize.calibration.calibration_file import read_calibration
from harmonize.config.run_config import RunConfig
from harmonize.config.saved_json import read_saved, to_json
from harmonize.config.strict_yaml import dump
from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import decoder_of, leaves
from harmonize.inference.write_answers import describe
from harmonize.labels.sources import Sources
from harmonize.report.make_report import NAME as REPORT
from harmonize.report.make_report import make_report
from harmonize.runs.checkpoint import Checkpoint, save
from harmonize.runs.checkpoints import choose, step_path
from harmonize.runs.health import RunHealth
from harmonize.runs.metrics_log import METRICS
from harmonize.runs.run_folder import CONFIG, EVALUATION
from harmonize.runs.started_from import ANCESTRY, Ancestry
from harmonize.sharing.card import CardFacts, model_card
from harmonize.sharing.manifest import CARD, LEGEND, MANIFEST, Manifest, manifest_of
from harmonize.sharing.private import (
    check_nothing_private,
    private_paths,
    shared_ancestry,
    shared_config,
    shared_evaluation,
    shared_mapping,
    shared_metrics,
)


@dataclass(frozen=True)
class PackOptions:
    """What is packed.

    Attributes:
        checkpoint: ``best`` or ``last``.
        pictures: whether the report shows pictures of the data sets.
        license: of the weights, as hubs name licences; none is said unless given.
        roots: folders of data sets, for the report's pictures.
    """

    checkpoint: str = "last"
    pictures: bool = False
    license: str | None = None
    roots: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Package:
    """The files of a package in a folder, and what was left out of them, in words."""

    folder: Path
    manifest: Manifest
    notes: tuple[str, ...]


def build_package(run: Path, folder: Path, options: PackOptions, address: str) -> Package:
    """Write the files of a package into an empty folder of the run's name.

    Args:
        run: the run folder.
        folder: to be filled.
        options: what is packed.
        address: where it goes, for the card.

    Raises:
        HarmonizeError: no run folder, a damaged file in it, or one that tells a private path.
    """
    _, state = choose(run, options.checkpoint)
    notes: list[str] = []
    packed = _packed(state, options, notes)
    folder.mkdir(parents=True, exist_ok=True)
    save(packed, step_path(folder, packed.step))
    sources, config = packed.sources(), packed.run_config()
    files = {CONFIG: packed.config.encode(), **_texts(packed, sources)}
    files |= _of_run(run, state, options, notes)
    files[LEGEND] = (json.dumps(_legend(sources, config, packed), indent=2) + "\n").encode()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    facts = CardFacts(run.resolve().name, packed.step, sources, config, folder, address)
    (folder / CARD).write_text(model_card(facts, options.license), encoding="utf-8")
    _report(run, folder, state.run_config(), options, notes)
    if options.license is None:
        notes.append("the card names no licence of the weights: say --license, such as mit")
    names = [one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()]
    check_nothing_private(folder, names, private_paths(run, state, [folder, *_roots(options)]))
    manifest = manifest_of(folder, names, run=facts.name, step=packed.step, by=__version__)
    (folder / MANIFEST).write_bytes(manifest.to_bytes())
    return Package(folder, manifest, tuple(notes))


def _roots(options: PackOptions) -> list[Path]:
    return [Path(root) for root in options.roots.values()]


def _packed(state: Checkpoint, options: PackOptions, notes: list[str]) -> Checkpoint:
    """Return a checkpoint with the weights that the run answers with, and nothing of training."""
    mappings = zip(state.mappings, _class_ids(state, options, notes), strict=True)
    weights = state.model | (state.ema if state.standing.answers_with == "ema" else {})
    trees = [name for name, _ in state.trees]
    config = shared_config(state.run_config(), state.ontology[0], trees)
    return dataclasses.replace(
        state,
        model=weights,
        ema={},
        optimizer={"state": {}, "param_groups": []},
        depths={},
        teacher={},
        scaler=None,
        meter=torch.zeros(1),
        health=RunHealth().state(),
        standing=dataclasses.replace(state.standing, answers_with="raw"),
        config=dump(config.to_dict()),
        mappings=tuple(shared_mapping(text, ids) for text, ids in mappings),
        pictures={},
    )


def _class_ids(
    state: Checkpoint, options: PackOptions, notes: list[str]
) -> Iterator[dict[str, int] | None]:
    """Yield for each mapping the ids that its data set's own file gives, None for all others.

    Who has the package alone can be answered in a set's classes only if it knows their ids.
    """
    roots = {**state.run_config().data.roots, **options.roots}
    for spec in state.sources().specs:
        if spec.class_file is None:
            yield None
            continue
        try:
            classes = spec.with_ids(spec.folder(roots)).classes
        except HarmonizeError as error:
            notes.append(
                f"no ids of {spec.name}, so that --as {spec.name} needs its data: "
                f"{error.problems[0]}"
            )
            yield None
        else:
            yield {name: entry.values[0] for name, entry in classes.items()}


def _texts(packed: Checkpoint, sources: Sources) -> dict[str, bytes]:
    """Return the trees and the mappings as files."""
    trees = packed.trees or (packed.ontology,)
    found = {f"trees/{name}.txt": text.encode() for name, text in trees}
    for spec, text in zip(sources.specs, packed.mappings, strict=True):
        found[f"mappings/{spec.name}.yaml"] = text.encode()
    return found


def _of_run(
    run: Path, state: Checkpoint, options: PackOptions, notes: list[str]
) -> dict[str, bytes]:
    """Return the files that a run has beside its network, without what is private."""
    found: dict[str, bytes] = {}
    if (run / EVALUATION).is_file():
        data = (run / EVALUATION).read_bytes()
        whole = options.pictures
        found[EVALUATION] = data if whole else shared_evaluation(data, run / EVALUATION)
        if not whole:
            notes.append("left out: names of pictures, and pictures in the report")
    else:
        notes.append(f"no scores: there is no {EVALUATION}; `harmonize evaluate` makes one")
    if (run / METRICS).is_file():
        found[METRICS] = shared_metrics((run / METRICS).read_bytes())
    calibration = read_calibration(run)
    if calibration is None or calibration.step != state.step:
        other = f"that there is is of step {calibration.step}" if calibration else "is none"
        notes.append(f"no calibration: there {other}; `harmonize calibrate` makes one")
    else:
        found[CALIBRATION] = (run / CALIBRATION).read_bytes()
    if (run / ANCESTRY).is_file():
        ancestry = read_saved(Ancestry, run / ANCESTRY, "remove it to push without it")
        text = json.dumps(to_json(shared_ancestry(ancestry)), indent=1)
        found[ANCESTRY] = f"{text}\n".encode()
    return found


def _legend(sources: Sources, config: RunConfig, packed: Checkpoint) -> dict[str, Any]:
    """Return what the leaves are called and drawn in; by tree where there are several."""

    def of(one: Sources) -> dict[str, Any]:
        space = leaves(one, decoder_of(one, config.evaluate.decode))
        return describe(space, {"step": packed.step})

    if not sources.trees:
        return of(sources)
    named = zip(sources.trees, sources.of_trees, strict=True)
    return {tree.name: of(one) for tree, (_, one) in named}


def _report(
    run: Path, folder: Path, config: RunConfig, options: PackOptions, notes: list[str]
) -> None:
    """Write the report of what is packed, with pictures if they are wanted."""
    try:
        make_report(
            [folder],
            folder / REPORT,
            roots={**config.data.roots, **options.roots} if options.pictures else None,
            pictures=options.pictures,
            command="harmonize push",
        )
    except HarmonizeError as error:
        notes.append(f"no report: {error.problems[0].replace(str(folder), str(run))}")
