"""Pictures that a file with the labels of many lists, but no split has."""

from pathlib import Path

from harmonize.data.index import list_files
from harmonize.errors import HarmonizeError
from harmonize.labels.coco_index import coco_index, panoptic_index
from harmonize.labels.cvat_encoding import cvat_index
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.label_studio_encoding import label_studio_index
from harmonize.labels.named_encoding import IN

_INDEXES = {
    "coco": coco_index,
    "coco_panoptic": panoptic_index,
    "cvat": cvat_index,
    "label_studio": label_studio_index,
}


def absent_pictures(spec: DatasetSpec, root: Path) -> list[str]:
    """Say of each file with labels how many of its pictures no split has, and name one.

    What cannot be read is left to others to tell.
    """
    open_index = _INDEXES.get(spec.encoding.name)
    if open_index is None:
        return []
    used: dict[str, set[int]] = {}
    for split in spec.splits:
        try:
            files, _ = list_files(spec, split, root)
            for place in range(len(files)):
                picture, _, file = files.label(place).partition(IN)
                if spec.encoding.in_set:
                    file, picture = picture, file
                used.setdefault(file, set()).add(open_index(root / file).find(picture))
        except HarmonizeError:
            return []
    lines: list[str] = []
    for file, numbers in used.items():
        names = open_index(root / file).pictures()
        absent = [name for number, name in names.items() if number not in numbers]
        if absent:
            lines.append(
                f"{spec.name}: {len(absent)} of the {len(names)} pictures that {file} lists are in "
                f"no split, or not there, such as {absent[0]}"
            )
    return lines
