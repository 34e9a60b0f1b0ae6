"""One small data set as a folder, as archives, as Parquet files, and on servers of this machine."""

import contextlib
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec

SPLITS = {"train": 6, "val": 3}
CLASSES = '{"0": "background", "1": "left", "2": "right"}'
TREE = "background\nthing\n\tleft\n\tright\n@mirror left right\n"
MAPPING = """
name: {name}
root: "{root}"
picture: "{{split}}/{image}"
label: "{{split}}/{label}"
encoding: ids
splits: {{train: {{glob: "train/{image}"}}, val: {{glob: "val/{image}"}}}}
classes: {{background: 0, left: 1, right: 2}}
meaning: {{tiny: {{background: background, left: left, right: right}}}}
"""


def write_set(folder: Path) -> Path:
    """Write pictures, some of them JPEG files, their labels and the names of the classes."""
    rng = np.random.default_rng(0)
    for split, number in SPLITS.items():
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for place in range(number):
            label = np.zeros((20, 24), np.uint8)
            label[5:15, 4 + place : 12] = 1
            label[5:15, 12:18] = 2
            colors = rng.integers(0, 60, (20, 24, 3)) + label[..., None] * 70
            picture = Image.fromarray(colors.astype(np.uint8))
            picture.save(folder / split / "images" / f"p{place}.jpg")
            Image.fromarray(label).save(folder / split / "labels" / f"p{place}.png")
    (folder / "classes.json").write_text(CLASSES)
    for split, number in SPLITS.items():
        listed = "".join(f"p{place}\n" for place in range(number))
        (folder / f"{split}.txt").write_text(listed)
    return folder


def files_of(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def pack(folder: Path, archive: Path) -> Path:
    """Pack a folder as the archive's name says."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for number, path in enumerate(files_of(folder)):
                how = zipfile.ZIP_STORED if number % 3 == 0 else None
                packed.write(path, path.relative_to(folder), how)
    else:
        with tarfile.open(archive, "w" if archive.suffix == ".tar" else "w:gz") as packed:
            packed.add(folder, ".")
    return archive


def write_parquet(folder: Path, to: Path) -> Path:
    """Write a set as Hugging Face's `datasets` does: two files for the larger split."""
    (to / "data").mkdir(parents=True)
    for split, number in SPLITS.items():
        rows = [
            {
                "image": _cell(folder / split / "images" / f"p{place}.jpg"),
                "label": _cell(folder / split / "labels" / f"p{place}.png"),
                "scene": place,
            }
            for place in range(number)
        ]
        parts = [rows[:4], rows[4:]] if len(rows) > 4 else [rows]
        for place, part in enumerate(parts):
            name = f"{split}-{place:05d}-of-{len(parts):05d}.parquet"
            pq.write_table(pa.Table.from_pylist(part), to / "data" / name, row_group_size=3)
    (to / "README.md").write_text("---\ndataset_info:\n  features: []\n---\n")
    (to / "id2label.json").write_text(CLASSES)
    return to


def _cell(path: Path) -> dict[str, object]:
    return {"bytes": path.read_bytes(), "path": path.name}


def write_mapping(path: Path, root: str, *, parquet: bool = False) -> DatasetSpec:
    """Write a mapping of the set, wherever it lies."""
    image, label = (
        ("image/{id}", "label/{id}") if parquet else ("images/{id}.jpg", "labels/{id}.png")
    )
    path.write_text(MAPPING.format(name=path.stem, root=root, image=image, label=label))
    return DatasetSpec.from_file(path)


def write_listed(path: Path, root: str) -> DatasetSpec:
    """Write a mapping whose splits are lists, which the folder holds."""
    write_mapping(path, root)
    text = path.read_text().replace('{glob: "train/images/{id}.jpg"}', "{list: train.txt}")
    path.write_text(text.replace('{glob: "val/images/{id}.jpg"}', "{list: val.txt}"))
    return DatasetSpec.from_file(path)


def open_set(spec: DatasetSpec, split: str = "train") -> SegmentationDataset:
    """Open a split where the mapping says that it lies."""
    return SegmentationDataset(spec, split, root=spec.folder({}))


def assert_same(one: SegmentationDataset, other: SegmentationDataset) -> None:
    """Compare all pictures and labels pixel by pixel."""
    assert len(one) == len(other) == SPLITS[one.split]
    for number in range(len(one)):
        assert (one[number].picture == other[number].picture).all()
        assert (one[number].classes == other[number].classes).all()
        assert one.size(number) == other.size(number)


@dataclass
class Faults:
    """What a web server does wrong.

    Attributes:
        drop: requests that it breaks off in the middle.
        status: what it answers to the next ones, as many times.
        no_facts: send neither the time nor the size.
        requests: what was asked.
    """

    drop: int = 0
    status: list[int] = field(default_factory=list[int])
    no_time: bool = False
    requests: list[str] = field(default_factory=list[str])


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, faults: Faults, **keys: object) -> None:
        self._faults = faults
        super().__init__(*args, **keys)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._faults.requests.append(f"GET {self.path}")
        if self._faults.status:
            self.send_error(self._faults.status.pop(0))
        elif self._faults.drop:
            self._faults.drop -= 1
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"half of it")
            self.close_connection = True
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        self._faults.requests.append(f"HEAD {self.path}")
        super().do_HEAD()

    def send_header(self, keyword: str, value: str) -> None:
        if not (self._faults.no_time and keyword == "Last-Modified"):
            super().send_header(keyword, value)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[tuple[str, Faults]]:
    """Serve a folder; yields its address and what goes wrong on demand."""
    faults = Faults()
    handler = partial(_Handler, directory=str(folder), faults=faults)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
