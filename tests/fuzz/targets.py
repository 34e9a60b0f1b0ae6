"""What an input is given to: the commands and the readers, in a small project of its own."""

import contextlib
import functools
import io
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import yaml
from PIL import Image

from fuzz.mutations import mutate_text, mutate_value, odd_value
from fuzz.oddities import WORDS
from harmonize import cli
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value, dump, load_text
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import load_sources
from harmonize.labels.target_space import TargetSpace
from harmonize.pipeline.preflight import check_run

REPO = Path(__file__).parents[2]
LARGEST = 4000
"""Characters of a shipped file that is taken as a start; larger ones have the same keys."""

TREE = "background\nthing\n\tleft\n\tright\n@mirror left right\n"
LABEL = np.array([[0, 0, 1, 1, 2, 2]] * 4, dtype=np.uint8)
_MAPPING = """
name: fine
about: A tiny set.
root: data
picture: "images/{id}.png"
label: "labels/{id}.png"
encoding: ids
splits:
  train: {list: train.txt, columns: [id], skip: 0, where: {id: [0, 7]}}
  val: {range: [0, 1]}
  test: {glob: "labels/{id}.png", fields: {kind: x}}
classes: {background: 0, left: [1, 7], right: 2}
meaning: {tiny: {background: background, left: left, right: [right]}}
accept: {never-seen: all}
"""
VARIANTS: tuple[dict[str, Value], ...] = (
    {},
    {"encoding": "rgb", "tolerance": 3, "classes": {"background": "#000000", "left": [9, 9, 9]}},
    {
        "encoding": "masks",
        "label": "{class}/{id}.png",
        "classes": {"left": "labels", "right": None},
    },
    {"encoding": "soft_masks", "label": "labels/{class}.png", "classes": {"left": 0, "right": 1}},
    {"value": "V//1 + 0", "resize_picture": True},
    {
        "class_file": {"json": "classes.json", "items": "labels", "name": "n", "id": "i"},
        "classes": {"background": None, "left": None, "right": None},
    },
)


Steps = list[Callable[[], None]]
"""What reads an input, one after another."""


class FuzzError(AssertionError):
    """A command did not keep its word; the message says how."""


def write_project(folder: Path) -> None:
    """Write a tree, and pictures with labels, into a folder."""
    (folder / "tiny.txt").write_text(TREE)
    for name in ("images", "labels"):
        (folder / "data" / name).mkdir(parents=True)
    for number in range(2):
        pixels = np.zeros((4, 6, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"data/images/{number}.png")
        Image.fromarray(LABEL).save(folder / f"data/labels/{number}.png")
    (folder / "data/train.txt").write_text("0\n1\n")
    names = enumerate(("background", "left", "right"))
    classes = ", ".join(f'{{"n": "{name}", "i": {number}}}' for number, name in names)
    (folder / "data/classes.json").write_text(f'{{"labels": [{classes}]}}')


def command(*arguments: str) -> None:
    """Run ``harmonize`` and make sure that what it says and returns is as promised.

    Raises:
        FuzzError: another exit status than 0, 1 or 2, a line that a terminal would act on, or an
            error without its line.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = end.code
    said = out.getvalue() + err.getvalue()
    hidden = {char for char in said if not char.isprintable() and char not in "\n\u200c\u200d"}
    if hidden:
        raise FuzzError(f"{arguments[0]} prints {sorted(hidden)!r}")
    if "out of memory" in said or "Traceback" in said or "Warning" in said:
        raise FuzzError(f"{arguments[0]} says {said[-300:]!r}")
    if status not in (0, 1, 2) or (status == 2 and "error: " not in err.getvalue()):
        raise FuzzError(f"{arguments[0]} ends with {status!r}, saying {said[-300:]!r}")


def fuzz_tree(rng: Random) -> Steps:
    """Draw a mutated tree; return what reads it."""
    data = mutate_text(rng, rng.choice(_texts("trees/*.txt")))
    Path("tree.txt").write_bytes(data)

    def use() -> None:
        with contextlib.suppress(HarmonizeError):
            _use(Ontology.from_file("tree.txt"), [])

    return [lambda: command("check", "tree.txt"), lambda: command("tree", "tree.txt"), use]


def fuzz_mapping(rng: Random) -> Steps:
    """Draw a mutated mapping, a tiny one with its data or a shipped one."""
    kind = rng.randint(0, 3)
    if kind == 0:
        text = rng.choice(_texts("datasets/*.yaml"))
    else:
        text = dump({**yaml.safe_load(_MAPPING), **rng.choice(VARIANTS)})
    _write_mutated(rng, text, "fine.yaml")

    def use() -> None:
        with contextlib.suppress(HarmonizeError):
            spec = DatasetSpec.from_file("fine.yaml")
            for name in spec.meaning:
                place = Path("tiny.txt") if name == "tiny" else REPO / "trees" / f"{name}.txt"
                _use(Ontology.from_file(place), [spec])

    return [lambda: command("check", "fine.yaml", "tiny.txt", "--scan", "2"), use]


def fuzz_config(rng: Random) -> Steps:
    """Draw a mutated config with up to three overrides, on a tiny mapping and tree."""
    Path("fine.yaml").write_text(_MAPPING)
    if rng.randint(0, 3):
        _write_mutated(rng, rng.choice(_configs()), "run.yaml")
    else:
        Path("run.yaml").write_text(rng.choice(_configs()))
    overrides = [_override(rng) for _ in range(rng.randint(0, 3))]
    commands = (["check", *_arguments(overrides), "--scan", "1"], ["tree"], ["transfer"])
    name, *arguments = rng.choice(commands)

    def use() -> None:
        with contextlib.suppress(HarmonizeError):
            config = RunConfig.from_file("run.yaml", overrides)
            again = RunConfig.from_document(load_text(dump(config.to_dict()), "again"))
            if repr(again.to_dict()) != repr(config.to_dict()):
                raise FuzzError("a config does not survive being written and read")
            load_sources(config)
            check_run(config)

    return [lambda: command(name, "run.yaml", *arguments), use]


def _arguments(overrides: list[str]) -> list[str]:
    """Return the overrides that a shell could pass."""
    return [one.encode("utf-8", "replace").decode() for one in overrides if "\0" not in one]


def _use(ontology: Ontology, specs: list[DatasetSpec]) -> None:
    """Build a target space and everything that is derived from it."""
    space = TargetSpace(ontology, specs)
    assert len(space.agreement) == len(space.num_resolved) == space.num_codes
    assert len(space.mirror) == space.ignore + 1
    for code in range(min(space.num_codes, 40)):
        assert space.name(code)


def _write_mutated(rng: Random, text: str, name: str) -> None:
    """Write a YAML text, changed as a text or as a value."""
    if rng.randint(0, 2):
        value = mutate_value(rng, yaml.safe_load(text))
        data = dump(value).encode("utf-8", "surrogatepass")
    else:
        data = mutate_text(rng, text)
    Path(name).write_bytes(data)


def _override(rng: Random) -> str:
    """Return ``key.path=value`` with a real or an odd key, and a real or an odd value."""
    keys = ("train.steps", "data.size", "data.roots.fine", "augment.scale", "augment.scale.0")
    keys += ("datasets.0.weight", "datasets.0.override", "datasets.0.override.root", "datasets.9")
    keys += ("loss.depth_weights", "output", "accept", "model.width", "model.name", "seed", "data")
    odd = ("", ".", "a..b", "datasets.-1", "datasets.x", "train.steps.x", "\x1b[31m", *WORDS[:6])
    key = rng.choice(keys if rng.randint(0, 3) else odd)
    value = rng.choice(WORDS) if rng.randint(0, 1) else dump(odd_value(rng)).strip()
    return f"{key}={value}" if rng.randint(0, 9) else rng.choice((key, f"{key}:{value}"))


@functools.cache
def _texts(pattern: str) -> list[str]:
    found = [path.read_text(encoding="utf-8") for path in sorted(REPO.glob(pattern))]
    return [text for text in found if len(text) <= LARGEST]


@functools.cache
def _configs() -> list[str]:
    """Return the shipped configs, with a tiny tree and a tiny mapping in place of their own."""
    configs: list[str] = []
    for path in sorted(REPO.glob("configs/*.yaml")):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        value["ontology"] = "tiny.txt"
        for number, entry in enumerate((*value["datasets"], *value.get("evaluate_also", ()))):
            entry["spec"] = "fine.yaml"
            entry["override"] = {"name": f"fine{number}"} if number else {}
        value["loss"] = {"depth_weights": [1, 2]} if "loss" in value else {}
        value.get("data", {})["roots"] = {"fine": "data"}
        configs.append(dump(value))
    return configs
