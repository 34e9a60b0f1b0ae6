"""The folder of decoded pictures: same samples, never out of date, bounded, shared."""

import contextlib
import io
import multiprocessing
import pickle
import resource
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file

from group import run_script
from harmonize import HarmonizeError
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.strict_yaml import dump
from harmonize.data.cache import DiskCache, build_cache, count_pictures, open_cache
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Treatment
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder
from harmonize.data.samples import MixedSamples, collate, least_side
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.pipeline.train import train
from tiny import tiny_config, tiny_values, write_project

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
REPO = Path(__file__).parents[1]
AUGMENT = AugmentConfig(flip=0.5, scale=(0.5, 1.0), color=0.2)
SIZE = 5  # of 20 x 24 pixels: half of them are needed
PICTURES = 18


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def open_sets(project: Path) -> list[SegmentationDataset]:
    """Open both data sets of the tiny project: ten pictures and eight."""
    return [
        SegmentationDataset(
            DatasetSpec.from_file(project / f"{name}.yaml"), "train", root=project / f"{name}_data"
        )
        for name in ("fine", "coarse")
    ]


def make(
    project: Path, folder: Path, *, limit: float = 1.0, workers: int = 0, size: int = SIZE
) -> DiskCache:
    """Build the cache of the tiny project for samples of ``size`` pixels."""
    return build_cache(
        open_sets(project),
        folder,
        least=[least_side(AUGMENT, size)] * 2,
        limit=limit,
        workers=workers,
        accelerator=Accelerator(cpu=True),
    )


def mix(project: Path, cache: DiskCache | None, *, size: int = SIZE) -> MixedSamples:
    """Return the samples of a run on both sets."""
    datasets = open_sets(project)
    tree = Ontology.from_file(project / "tiny.txt")
    space = TargetSpace(tree, [dataset.spec for dataset in datasets])
    order = MixedOrder([len(dataset) for dataset in datasets], [1, 1], seed=3)
    treatments = [Treatment(AUGMENT, size)] * 2
    return MixedSamples(datasets, order, space, treatments=treatments, size=size, cache=cache)


def files(folder: Path) -> dict[str, int]:
    """Return the files of a cache with the times at which they were written."""
    return {path.name: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def same(one: MixedSamples, other: MixedSamples) -> bool:
    """Say whether two runs train on the same."""
    pairs = [(one[position], other[position]) for position in range(40)]
    return all(
        torch.equal(a.pictures, b.pictures) and torch.equal(a.codes, b.codes) for a, b in pairs
    )


@pytest.mark.parametrize("size", [5, 10, 16])  # half, half, and all of the pixels
def test_samples_are_the_same_with_and_without_the_cache(project: Path, size: int) -> None:
    cache = make(project, project / "cache", size=size)
    assert len(cache) == PICTURES
    assert same(mix(project, cache, size=size), mix(project, None, size=size))


def test_samples_come_from_the_cache(project: Path) -> None:
    cache = make(project, project / "cache")
    before = collate([mix(project, cache)[position] for position in range(9)])
    for path in [*project.glob("*_data/*.png"), *project.glob("*_data/masks/*.png")]:
        path.write_bytes(b"")
    after = collate([mix(project, cache)[position] for position in range(9)])
    assert torch.equal(before.pictures, after.pictures)


@FORKS
def test_loader_processes_build_and_read_the_cache(project: Path) -> None:
    cache = make(project, project / "cache", workers=2)
    assert len(cache) == PICTURES
    batches = [[place, place + 1] for place in range(0, 20, 2)]
    read = list(load(mix(project, cache), batches, collate, workers=2))
    alone = list(load(mix(project, None), batches, collate, workers=0))
    assert all(torch.equal(a.pictures, b.pictures) for a, b in zip(read, alone, strict=True))


def test_spawned_processes_read_the_cache(project: Path) -> None:
    samples = mix(project, make(project, project / "cache"))
    assert same(pickle.loads(pickle.dumps(samples)), samples)


def test_what_is_cached_is_not_made_again(project: Path) -> None:
    make(project, project / "cache")
    before = files(project / "cache")
    make(project, project / "cache")
    assert files(project / "cache") == before
    assert len(before) == PICTURES


def test_an_interrupted_build_goes_on_where_it_stopped(project: Path) -> None:
    make(project, project / "cache")
    kept = sorted((project / "cache").rglob("*.pixels"))
    for path in kept[::3]:
        path.unlink()
    before = files(project / "cache")
    assert len(make(project, project / "cache")) == PICTURES
    after = files(project / "cache")
    assert len(after) == PICTURES
    assert before.items() <= after.items()


def repaint(project: Path) -> None:
    """Change one picture of the finer set."""
    path = project / "fine_data" / "03.png"
    Image.fromarray(np.full((20, 24, 3), 77, dtype=np.uint8)).save(path)


def relabel(project: Path) -> None:
    """Change one label of the finer set."""
    path = project / "fine_data" / "03_ids.png"
    Image.fromarray(np.full((20, 24), 2, dtype=np.uint8)).save(path)


def exchange(project: Path) -> None:
    """Exchange the ids of two classes of the finer set."""
    path = project / "fine.yaml"
    path.write_text(path.read_text().replace("left: 1, right: 2", "left: 2, right: 1"))


@pytest.mark.parametrize(("change", "new"), [(repaint, 1), (relabel, 1), (exchange, 10)])
def test_what_has_changed_is_made_anew_and_nothing_else(
    project: Path, change: Callable[[Path], None], new: int
) -> None:
    old = mix(project, make(project, project / "cache"))
    before = files(project / "cache")
    change(project)
    cache = make(project, project / "cache")
    assert len(files(project / "cache")) == len(before) + new
    assert same(mix(project, cache), mix(project, None))
    assert not same(mix(project, cache), old)


def test_another_size_has_files_of_its_own_only_where_it_reduces_otherwise(project: Path) -> None:
    make(project, project / "cache", size=5)
    make(project, project / "cache", size=4)  # half as well
    assert len(files(project / "cache")) == PICTURES
    make(project, project / "cache", size=16)
    assert len(files(project / "cache")) == 2 * PICTURES


@pytest.mark.parametrize("damage", ["cut", "empty", "head", "longer", "folder"])
def test_a_damaged_file_is_made_again_and_read_around_until_then(
    project: Path, damage: str
) -> None:
    cache = make(project, project / "cache")
    path = min((project / "cache").rglob("*.pixels"))
    content = path.read_bytes()
    damaged = {
        "cut": content[:-1],
        "empty": b"",
        "head": b"x" + content[1:],
        "longer": content + b"x",
    }
    if damage == "folder":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    assert same(mix(project, cache), mix(project, None))
    assert len(make(project, project / "cache")) == PICTURES
    assert path.read_bytes() == content


def test_a_full_cache_keeps_what_fits_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    each = max(path.stat().st_size for path in _built(project).rglob("*.pixels"))
    capsys.readouterr()
    limit = (5 * each + each // 2) / 2**30
    cache = make(project, project / "small", limit=limit)
    assert len(cache) == 5
    assert sum(path.stat().st_size for path in (project / "small").rglob("*.pixels")) <= 6 * each
    *_, what, remedy = capsys.readouterr().err.splitlines()
    assert what == f"cache {project}/small: 5 of 18 pictures"
    assert remedy.startswith("data.cache_limit: ")
    assert "13 pictures are read from their files" in remedy
    assert same(mix(project, cache), mix(project, None))


def _built(project: Path) -> Path:
    make(project, project / "cache")
    return project / "cache"


def test_a_picture_that_cannot_be_read_ends_the_build_as_it_would_training(project: Path) -> None:
    path = project / "fine_data" / "04.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(HarmonizeError) as by_building:
        make(project, project / "cache")
    with pytest.raises(HarmonizeError) as by_reading:
        open_sets(project)[0].pixels(4, least=1)
    assert str(by_building.value) == str(by_reading.value)
    assert str(by_building.value).startswith(f"{path}: not a readable picture: ")
    assert not list((project / "cache").rglob("*.part"))


def test_a_folder_that_cannot_be_made_is_named(project: Path) -> None:
    (project / "file").write_text("")
    with pytest.raises(HarmonizeError, match=r"/file/cache: the cache's folder cannot be made: "):
        make(project, project / "file" / "cache")


def build_on_a_full_disk(project: Path, answer: Connection) -> None:
    """Build and read a cache where no file may grow beyond 100 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    with contextlib.redirect_stderr(io.StringIO()) as text:
        cache = make(project, project / "cache")
    answer.send((len(cache), text.getvalue(), same(mix(project, cache), mix(project, None))))


def build_beside_another(project: Path, answer: Connection) -> None:
    """Build the cache once the other process is there too."""
    answer.send(None)
    answer.recv()
    answer.send(len(make(project, project / "cache")))


@contextlib.contextmanager
def forked(work: Callable[[Path, Connection], None], project: Path) -> Iterator[Connection]:
    """Do something in a process of its own and give the connection to it."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(project, there))
    process.start()
    yield here
    process.join()
    assert process.exitcode == 0


@FORKS
def test_a_full_disk_ends_caching_and_not_the_run(project: Path) -> None:
    with forked(build_on_a_full_disk, project) as answer:
        cached, told, is_same = answer.recv()
    assert (cached, is_same) == (0, True)
    assert f"{project}/cache: File too large: 18 pictures are read from their files; " in told
    assert "data.cache_folder=FOLDER" in told
    assert files(project / "cache") == {}


@FORKS
def test_two_processes_build_the_same_folder_at_once(project: Path) -> None:
    with (
        forked(build_beside_another, project) as one,
        forked(build_beside_another, project) as other,
    ):
        for answer in (one, other):
            answer.recv()
        for answer in (one, other):
            answer.send(None)
        assert [answer.recv() for answer in (one, other)] == [PICTURES, PICTURES]
    assert len(files(project / "cache")) == PICTURES
    assert same(mix(project, make(project, project / "cache")), mix(project, None))


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the final weights of a run."""
    tensors = load_file(max(run.glob("checkpoints/step-*.safetensors")))
    return {name: tensor for name, tensor in tensors.items() if name.startswith("model/")}


def test_a_run_keeps_its_cache_beside_its_folder_and_trains_the_same(project: Path) -> None:
    plain, cached = (
        weights(train(tiny_config(project, project / "runs" / name, *changes), name="tiny"))
        for name, changes in (("plain", []), ("cached", ["data.cache=disk"]))
    )
    assert plain.keys() == cached.keys() != set()
    assert all(torch.equal(plain[name], cached[name]) for name in plain)
    assert len(files(project / "runs" / "cache")) == PICTURES


def test_a_run_is_resumed_with_a_cache_that_it_did_not_have(project: Path) -> None:
    first = tiny_config(project, project / "runs" / "one")
    train(first, name="tiny")
    again = tiny_config(project, project / "runs" / "one", "train.resume=true", "data.cache=disk")
    assert train(again, name="tiny") == project / "runs" / "one"
    assert len(files(project / "runs" / "cache")) == PICTURES


def test_the_processes_of_a_run_build_its_cache_together(project: Path) -> None:
    values = tiny_values(project, project / "runs" / "two")
    (project / "run.yaml").write_text(dump(values))
    arguments = ["--config", "run.yaml", "data.cache=disk", "data.workers=1"]
    ended = run_script(REPO / "scripts" / "train_mixed.py", project, *arguments)
    assert [one.status for one in ended] == [0, 0], ended
    told = f"cache {project}/runs/cache: 18 of 18 pictures"
    assert sum(one.stderr.count(told) for one in ended) == 1
    assert len(files(project / "runs" / "cache")) == PICTURES


def test_no_cache_is_made_unless_asked_for(project: Path) -> None:
    config, accelerator = tiny_config(project, project / "run"), Accelerator(cpu=True)
    assert (
        open_cache(config, open_sets(project), project / "run", accelerator, least=[16, 16]) is None
    )
    assert not (project / "cache").exists()


def test_a_picture_of_several_data_sets_counts_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine, coarse = open_sets(project)
    build_cache(
        [fine, coarse, fine],
        project / "cache",
        least=[SIZE] * 3,
        limit=1.0,
        workers=0,
        accelerator=Accelerator(cpu=True),
    )
    assert f"cache {project}/cache: {PICTURES} of {PICTURES} pictures" in capsys.readouterr().err


def test_a_picture_is_cached_if_it_is_wherever_it_is_used() -> None:
    cached = np.array([True, False, True, True, False])
    assert count_pictures(["a", "b", "c", "a", "c"], cached) == (1, 3)
