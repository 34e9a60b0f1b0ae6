#!/usr/bin/env bash
# One would guess: a data set written in KITTI's segmentation format and read back has the same
#   labelled pixels, and a pixel under no mask stays unlabelled. Datumaro's CamVid, Cityscapes and
#   VOC formats do that: they put a class "background" before the data set's own.
# What happens: the KITTI writer, whose own id 0 means "unlabeled", adds no such class. Unlabelled
#   pixels and the first class are both 0 in semantic/*.png; read back, all are of the first class.
# Version: datumaro 1.13.12.
# Seen: road 6, car 6, unlabelled 12 of 24 pixels come back as road 18, car 6, unlabelled 0.
# Why it matters: a partly labelled data set becomes a wholly labelled one with a wrong class: the
#   network learns to say "road" wherever nobody looked; a warning about an "index mask" is all that
#   tells. Use a format with a background class, or compare each class before and after.
# Source: seen by running it; no report of it was found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datumaro==1.13.12 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import datumaro
import numpy as np
from datumaro import AnnotationType, Dataset, DatasetItem, Image, Mask

HEIGHT, WIDTH = 4, 6
road = np.zeros((HEIGHT, WIDTH), bool)
road[:2, :3] = True
car = np.zeros((HEIGHT, WIDTH), bool)
car[2:, :3] = True  # columns 3 to 5 are under no mask


def counts(dataset):
    """Count the pixels of each class, and those of none, in the only picture."""
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    of_class = {name: np.zeros((HEIGHT, WIDTH), bool) for name in ("road", "car")}
    (item,) = dataset
    for annotation in item.annotations:
        if annotation.type == AnnotationType.mask:
            of_class[names[annotation.label]] |= annotation.image.astype(bool)
    labelled = of_class["road"] | of_class["car"]
    return int(of_class["road"].sum()), int(of_class["car"].sum()), int((~labelled).sum())


def made():
    item = DatasetItem(
        "street",
        subset="training",
        media=Image.from_numpy(np.zeros((HEIGHT, WIDTH, 3), np.uint8)),
        annotations=[Mask(road, label=0), Mask(car, label=1)],
    )
    return Dataset.from_iterable([item], categories=["road", "car"])


seen = {"in memory": counts(made())}
for name in ("camvid", "cityscapes", "voc_segmentation", "kitti_segmentation"):
    made().export(name, name, save_media=True)
    seen[name] = counts(Dataset.import_from(name, name))
print("datumaro", datumaro.__version__)
for name, (of_road, of_car, of_none) in seen.items():
    print(f"{name:20} road {of_road:2}  car {of_car:2}  unlabelled {of_none:2}")
expected = dict.fromkeys(seen, (6, 6, 12)) | {"kitti_segmentation": (18, 6, 0)}
if datumaro.__version__ != "1.13.12" or seen != expected:
    sys.exit(f"CHANGED: expected {expected}")
print("as documented: KITTI's format turned the unlabelled pixels into the first class")
PY
