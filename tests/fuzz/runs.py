"""Changes of a config on the command line, and run folders whose files somebody has edited."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml

from fuzz.mutations import mutate_text, mutate_value, odd_value
from fuzz.oddities import WORDS
from fuzz.targets import Steps, command
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value, dump
from harmonize.pipeline.train import train

CONFIG = """
ontology: tiny.txt
datasets: [{spec: whole.yaml, train: train, evaluate: val}]
data: {size: 16, batch_size: 2, workers: 0, on_bad_sample: skip}
model: {name: unet, width: 4}
train: {steps: 2, precision: float32, log_every: 1, report: false}
output: run
"""
WHOLE = """
name: whole
root: data
picture: "images/{id}.png"
label: "labels/{id}.png"
encoding: ids
splits: {train: {range: [0, 1]}, val: {range: [0, 1]}}
classes: {background: 0, left: 1, right: 2}
meaning: {tiny: {background: background, left: left, right: right}}
"""
_DEEP = ("[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900)
_KEPT: dict[Path, Path] = {}
"""By folder, the run that was trained there."""


def fuzz_override(rng: Random) -> Steps:
    """Draw ``key=value`` of every key of a config and every type of value."""
    Path("whole.yaml").write_text(WHOLE)
    Path("run.yaml").write_text(CONFIG)
    keys = _keys(RunConfig.from_file("run.yaml").to_dict())
    words = [f"{rng.choice(keys)}={_value(rng)}" for _ in range(rng.choice((1, 1, 1, 2)))]
    words = [word.encode("utf-8", "replace").decode() for word in words if "\0" not in word]
    return [lambda: command("check", "run.yaml", *words, "--scan", "0")]


def fuzz_run(rng: Random) -> Steps:
    """Draw a run folder with an edited file; return what opens, reports and predicts with it."""
    run = _trained()
    shutil.rmtree("edited", ignore_errors=True)
    shutil.copytree(run, "edited")
    files = [path for path in sorted(Path("edited").rglob("*")) if path.is_file()]
    texts = [path for path in files if path.suffix in (".json", ".jsonl", ".yaml")]
    path = rng.choice(texts if rng.randint(0, 4) else files)
    path.write_bytes(_edited(rng, path))
    picture, out = "data/images/0.png", "answers"
    shutil.rmtree(out, ignore_errors=True)
    uses: tuple[tuple[str, ...], ...] = (
        ("report", "edited", "-o", "page.html"),
        ("predict", "edited", picture, "-o", out, "--cpu", "--no-overlay"),
        ("predict", "edited", picture, "-o", out, "--cpu", "--confidence", "0.5"),
        ("train", "--config", "run.yaml", "output=edited", "train.resume=true"),
    )
    chosen = rng.choice(uses)
    return [lambda: command(*chosen)]


def _keys(value: Value, before: str = "") -> list[str]:
    """Return the dotted path of every key, those of whole parts too."""
    if not isinstance(value, dict | list):
        return []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[str] = []
    for key, item in items:
        found += [f"{before}{key}", *_keys(item, f"{before}{key}.")]
    return found


def _value(rng: Random) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: rng.choice(WORDS),
        lambda: dump(odd_value(rng)).strip(),
        lambda: rng.choice(("[]", "{}", "[[1]]", "null", "true", "-1", "1e400", ".nan", "''")),
        lambda: str(rng.choice((-(2**63), 2**31, 10**20, 1e-320, 0.1))),
    )
    return rng.choice(kinds)()


def _trained() -> Path:
    """Return a run of a moment, trained once for each folder."""
    here = Path.cwd()
    if here not in _KEPT:
        Path("whole.yaml").write_text(WHOLE)
        Path("run.yaml").write_text(CONFIG)
        _KEPT[here] = train(RunConfig.from_file("run.yaml"), name="run")
        bad = {"dataset": "whole", "split": "train", "picture": "images/0.png", "reason": "odd"}
        (_KEPT[here] / "bad_samples.jsonl").write_text(json.dumps(bad) + "\n")
    return _KEPT[here]


def _edited(rng: Random, path: Path) -> bytes:
    """Return a file's content, changed as a text or as a value."""
    data = path.read_bytes()
    if path.suffix not in (".json", ".jsonl", ".yaml"):
        place = rng.randrange(len(data) or 1)
        return data[:place] + rng.randbytes(rng.choice((0, 1, 9))) + data[place + 1 :]
    text = data.decode()
    if rng.randint(0, 9) == 0:
        return rng.choice(_DEEP).encode()
    if rng.randint(0, 2) == 0:
        return mutate_text(rng, text)
    if path.suffix == ".yaml":
        return dump(mutate_value(rng, yaml.safe_load(text))).encode("utf-8", "surrogatepass")
    lines = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else None
    if lines is None:
        return json.dumps(mutate_value(rng, json.loads(text))).encode()
    changed = mutate_value(rng, lines)
    rows = changed if isinstance(changed, list) else [changed]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
