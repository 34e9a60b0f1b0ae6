"""Training on sets whose labels annotation tools wrote, from their files to predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotated_sets import coco, labelme, png_text, rle
from harmonize.cli import main
from harmonize.labels.dataset_spec import DatasetSpec
from tiny import TREE, draw_parts

SETS = {
    "objects": """
label: instances_{split}.json
encoding: coco
order: file
classes: {background: [], left: ~, right: ~}
meaning: {tiny: {background: background, left: left, right: right}}
""",
    "panoptic": """
label: segments/{id}.png
annotations: panoptic_{split}.json
encoding: coco_panoptic
classes: {background: [], thing: [left, right]}
meaning: {tiny: {background: background, thing: thing}}
""",
    "drawn": """
label: shapes/{id}.json
encoding: labelme
classes: {background: [], left: ~, right: ~}
meaning: {tiny: {background: background, left: left, right: right}}
""",
}
NAMES = {1: "left", 2: "right"}


def write_sets(folder: Path) -> dict[str, np.ndarray]:
    """Write the three data sets; return the parts of each picture, by set and name."""
    rng = np.random.default_rng(0)
    (folder / "tiny.txt").write_text(TREE)
    found: dict[str, np.ndarray] = {}
    for name, text in SETS.items():
        root = folder / name
        for part in ("train", "val", "segments", "shapes"):
            (root / part).mkdir(parents=True)
        splits = 'splits: {train: {glob: "train/{id}.png"}, val: {glob: "val/{id}.png"}}'
        head = f'name: {name}\nroot: {root}\npicture: "{{split}}/{{id}}.png"\n{splits}'
        (folder / f"{name}.yaml").write_text(f"{head}{text}")
        for split, number in (("train", 8), ("val", 4)):
            for count in range(number):
                parts = draw_parts(rng)
                found[f"{name}/{split}{count}"] = parts
                colors = np.array([(40, 90, 40), (200, 60, 60), (60, 60, 200)], dtype=np.uint8)
                picture = colors[parts] + rng.integers(0, 20, (*parts.shape, 3), dtype=np.uint8)
                Image.fromarray(picture).save(root / split / f"{split}{count}.png")
    for split in ("train", "val"):
        _write_labels(folder, split, found)
    return found


def _write_labels(folder: Path, split: str, found: dict[str, np.ndarray]) -> None:
    objects, panoptic = {}, []
    for key, parts in found.items():
        name, picture = key.split("/")
        if not picture.startswith(split):
            continue
        size = parts.shape[1], parts.shape[0]
        if name == "objects":
            objects[f"{picture}.png"] = [
                {"category_id": one, "segmentation": rle(parts == one, as_text=one == 2)}
                for one in NAMES
            ]
        elif name == "panoptic":
            ids = np.array([0, 300, 70_000])[parts]
            colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2)
            file = folder / name / "segments" / f"{picture}.png"
            Image.fromarray(colors.astype(np.uint8)).save(file)
            infos = [{"id": 300, "category_id": 1}, {"id": 70_000, "category_id": 2}]
            panoptic.append({"file_name": f"{picture}.png", "segments_info": infos})
        else:
            shapes = [
                {
                    "label": NAMES[one],
                    "shape_type": "mask",
                    "points": [[0, 0], [size[0] - 1, size[1] - 1]],
                    "mask": png_text(parts == one),
                }
                for one in NAMES
            ]
            (folder / name / "shapes" / f"{picture}.json").write_text(labelme(shapes, size))
    size = next(iter(found.values())).shape[::-1]
    file = folder / "objects" / f"instances_{split}.json"
    file.write_text(json.dumps(coco(objects, size, NAMES)))
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    written = {"annotations": panoptic, "categories": categories}
    (folder / "panoptic" / f"panoptic_{split}.json").write_text(json.dumps(written))


@pytest.mark.slow
def test_three_kinds_of_labels_on_one_tree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sets(tmp_path)
    sets = "\n".join(
        f"  - {{spec: {tmp_path}/{name}.yaml, train: train, evaluate: val}}" for name in SETS
    )
    config = tmp_path / "run.yaml"
    config.write_text(f"""
ontology: {tmp_path}/tiny.txt
datasets:
{sets}
data: {{size: 24, batch_size: 6, workers: 2, cache: disk, cache_folder: {tmp_path}/cache}}
augment: {{flip: 0, color: 0, scale: [1, 1]}}
model: {{width: 4}}
optim: {{lr: 0.3}}
train: {{steps: 60, evaluate_every: 60, checkpoint_every: 60, report: false}}
output: {tmp_path}/run
""")
    files = [str(tmp_path / f"{name}.yaml") for name in SETS]
    assert main(["check", str(tmp_path / "tiny.txt"), *files, str(config)]) == 0
    assert "12 label files read" in capsys.readouterr().out
    assert main(["train", "--config", str(config)]) in (0, None)
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())["datasets"]
    assert set(scores) == set(SETS)
    assert min(one["mean_iou"] for one in scores.values()) > 0.6
    assert len(list((tmp_path / "cache").rglob("*.pixels"))) == 24
    pictures = tmp_path / "objects" / "val"
    out = tmp_path / "out"
    assert main(["predict", str(tmp_path / "run"), str(pictures), "-o", str(out)]) in (0, None)
    assert main(["predict", str(tmp_path / "run"), str(pictures), "--as", str(files[0]),
                 "-o", str(tmp_path / "as")]) in (0, None)  # fmt: skip
    assert main(["calibrate", str(tmp_path / "run")]) in (0, None)
    refined = tmp_path / "refined"
    words = ["--dataset", "panoptic", "-o", str(refined), "--confidence", "0.5", "--no-fit"]
    assert main(["refine", str(tmp_path / "run"), *words]) in (0, None)
    assert len(list((refined / "labels").rglob("*.png"))) == 8
    capsys.readouterr()
    words = ["--run", str(tmp_path / "run"), "-o", str(tmp_path / "drafted.yaml")]
    assert main(["new", str(tmp_path / "objects"), *words]) in (0, None)
    out = capsys.readouterr().out
    assert "precision  recall" in out
    spec = DatasetSpec.from_file(tmp_path / "drafted.yaml")
    assert spec.meaning["tiny"] == {
        "background": ("background",),
        "left": ("left",),
        "right": ("right",),
    }
