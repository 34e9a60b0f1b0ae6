"""Data sets at remote addresses: served by this machine, by connections that are lost."""

import multiprocessing
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import fsspec
import numpy as np
import pytest
from accelerate import Accelerator

import harmonize.stores.remote
from harmonize import HarmonizeError
from harmonize.data.bad_samples import BadSampleError
from harmonize.data.cache import build_cache
from harmonize.data.cache_entry import EntryNames
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.stores import connection
from harmonize.stores.connection import LostConnectionError
from harmonize.stores.open_store import open_root
from harmonize.stores.remote import RemoteFolder
from harmonize.stores.stored_path import StoredPath
from stored_sets import (
    Faults,
    assert_same,
    files_of,
    open_set,
    pack,
    web_server,
    write_listed,
    write_mapping,
    write_parquet,
    write_set,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning",
    "ignore:.*datetime.utcnow.*:DeprecationWarning",
    "ignore::ResourceWarning",  # connections of file systems that nobody closes
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the stores that other tests have opened."""
    monkeypatch.setattr("harmonize.stores.open_store._stores", {})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the set as a folder, an archive and Parquet files."""
    place = tmp_path_factory.mktemp("remote")
    write_set(place / "set")
    for name in ("set.zip", "set.tar"):
        pack(place / "set", place / name)
    write_parquet(place / "set", place / "hf")
    return place


@pytest.fixture
def plain(place: Path, tmp_path: Path) -> SegmentationDataset:
    return open_set(write_mapping(tmp_path / "plain.yaml", str(place / "set")))


@pytest.fixture
def web(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Faults]]:
    monkeypatch.setattr(connection, "WAITS", (0.01, 0.01, 0.01))
    with web_server(place) as served:
        yield served


@pytest.fixture(scope="module")
def bucket(place: Path) -> Iterator[str]:
    """The address of a bucket with the set, on an S3 server of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("bucket")
        for path in files_of(place):
            system.pipe_file(f"bucket/{path.relative_to(place).as_posix()}", path.read_bytes())
        yield "s3://bucket"
    server.stop()


@pytest.fixture
def memory(place: Path) -> Iterator[str]:
    """The address of the set in fsspec's file system in memory."""
    system = fsspec.filesystem("memory")
    for path in files_of(place / "set"):
        system.pipe_file(f"/{path.relative_to(place).as_posix()}", path.read_bytes())
    yield "memory://set"
    system.rm("/set", recursive=True)


def test_a_folder_in_memory(memory: str, plain: SegmentationDataset, tmp_path: Path) -> None:
    assert_same(plain, open_set(write_mapping(tmp_path / "there.yaml", memory)))


def test_s3_is_read_as_the_folder_is(
    bucket: str, plain: SegmentationDataset, tmp_path: Path
) -> None:
    for root in ("set", "set.zip", "set.tar"):
        assert_same(plain, open_set(write_mapping(tmp_path / "there.yaml", f"{bucket}/{root}")))
    root = f"{bucket}/hf/**/*.parquet"
    assert_same(plain, open_set(write_mapping(tmp_path / "cells.yaml", root, parquet=True)))


def test_https_is_read_by_lists(
    web: tuple[str, Faults], plain: SegmentationDataset, tmp_path: Path
) -> None:
    address, faults = web
    there = open_set(write_listed(tmp_path / "there.yaml", f"{address}/set"))
    faults.requests.clear()
    assert_same(plain, there)
    gets = [one for one in faults.requests if one.startswith("GET")]
    assert len(gets) == len(faults.requests) == 2 * len(plain)  # each file once, its size known
    assert_same(plain, open_set(write_mapping(tmp_path / "zip.yaml", f"{address}/set.zip")))


def test_a_web_server_without_lists_is_told(web: tuple[str, Faults], tmp_path: Path) -> None:
    address, _ = web
    with pytest.raises(HarmonizeError, match=r"gives no list of its files; write one"):
        open_set(write_mapping(tmp_path / "there.yaml", f"{address}/set"))
    spec = write_listed(tmp_path / "there.yaml", f"{address}/set")
    text = (tmp_path / "there.yaml").read_text().replace("{id}.jpg", "{id}.*")
    (tmp_path / "there.yaml").write_text(text)
    with pytest.raises(HarmonizeError, match=r"written in full, without \* and with their ext"):
        open_set(type(spec).from_file(tmp_path / "there.yaml"))


def test_missing_files_of_a_web_server_are_told_at_once(
    web: tuple[str, Faults], tmp_path: Path
) -> None:
    (tmp_path / "train.txt").write_text("p0\np1\nnone\n")  # beside the mapping, which goes first
    spec = write_listed(tmp_path / "there.yaml", f"{web[0]}/set")
    with pytest.raises(HarmonizeError, match=r"2 files of there, for 1 of 3 pictures, are missing"):
        open_set(spec)


def test_a_connection_that_is_lost_for_a_while(
    web: tuple[str, Faults], plain: SegmentationDataset, tmp_path: Path
) -> None:
    address, faults = web
    there = open_set(write_listed(tmp_path / "there.yaml", f"{address}/set"))
    faults.drop = 3
    assert (there[0].picture == plain[0].picture).all()
    faults.status = [503, 500]
    assert (there[1].picture == plain[1].picture).all()
    assert not faults.drop
    assert not faults.status


def test_a_connection_that_is_lost_for_good_is_no_bad_sample(
    web: tuple[str, Faults], tmp_path: Path
) -> None:
    address, faults = web
    there = open_set(write_listed(tmp_path / "there.yaml", f"{address}/set"))
    faults.drop = 1000
    faults.requests.clear()
    with pytest.raises(LostConnectionError) as caught:
        there[2]
    (problem,) = caught.value.problems
    assert problem.startswith(f"{address}/set/train/images/p2.jpg: the connection is lost (")
    assert "4 tries in" in problem
    assert "train.resume=true" in problem
    assert len(faults.requests) == 4
    with pytest.raises(LostConnectionError):
        list(load(there, [[0]], list, workers=1))


def test_what_a_server_refuses_is_told(web: tuple[str, Faults], tmp_path: Path) -> None:
    address, faults = web
    there = open_set(write_listed(tmp_path / "there.yaml", f"{address}/set"))
    for status, reason in ((403, "may not be read"), (410, "cannot be read")):
        faults.status = [status]
        with pytest.raises(BadSampleError, match=f"p0.jpg: {reason} .the server answers {status}"):
            there[0]
        assert not faults.status  # it is not asked again


def test_a_store_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connection, "WAITS", (0.01,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/set.zip"
    with pytest.raises(LostConnectionError, match=r"set\.zip: the connection is lost.*2 tries"):
        write_mapping(tmp_path / "there.yaml", address).folder({})


ADDRESSES = {
    "htps://host/set": r"no protocol 'htps' is known; did you mean .*https",
    "https://me:secret@host/set": r"^https://host/set: a root is an address without a name or",
    "https://host/set.zip?key=1": r"^https://host/set\.zip: a root is .* without what follows",
    "simplecache::s3://b/set": r"without several addresses in one",
    "gs://bucket/set": r"needs a package that is not installed: .*gcsfs",
    "s3://bucket/set.7z": r"an archive of this kind is not read in place",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(HarmonizeError, match=ADDRESSES[address]) as caught:
        open_root(address)
    assert len(caught.value.problems) == 1
    assert "secret" not in str(caught.value)


def test_what_is_not_there(bucket: str, tmp_path: Path) -> None:
    for root in (f"{bucket}/none", f"{bucket}/none.zip", "s3://other/set", "memory://none"):
        with pytest.raises(HarmonizeError, match="the data set's folder was not found; looked in"):
            write_mapping(tmp_path / "there.yaml", root).folder({})


def test_the_root_may_be_named_by_the_environment(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_mapping(tmp_path / "set.yaml", "gone")
    monkeypatch.setenv("HARMONIZE_DATA", "memory://")
    assert str(spec.folder({})) == memory
    assert str(spec.folder({"set": memory})) == memory


def test_a_change_of_a_remote_file_gives_it_another_name_in_the_cache(
    bucket: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.stores.open_store._FRESH", 0.0)
    spec = write_mapping(tmp_path / "there.yaml", f"{bucket}/set")
    before = EntryNames(open_set(spec))
    names = [before.name(number, 1) for number in range(6)]
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    key, content = (
        "bucket/set/train/images/p1.jpg",
        (place / "set/train/images/p2.jpg").read_bytes(),
    )
    old = system.cat_file(key)
    try:
        system.pipe_file(key, content)
        after = EntryNames(open_set(spec))
        changed = [after.name(number, 1) for number in range(6)]
    finally:
        system.pipe_file(key, old)
    assert [one == other for one, other in zip(names, changed, strict=True)] == [
        number != 1 for number in range(6)
    ]


def test_a_file_of_which_nothing_tells_is_not_cached(
    web: tuple[str, Faults], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, faults = web
    faults.no_time = True
    there = open_set(write_listed(tmp_path / "there.yaml", f"{address}/set"))
    assert EntryNames(there).name(0, 1) == ""
    assert EntryNames(there).name(1, 1) == ""
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {address}/set: gives neither the time nor a checksum")


def test_what_is_cached_is_not_asked_for_again(
    bucket: str, plain: SegmentationDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = open_set(write_mapping(tmp_path / "there.yaml", f"{bucket}/set"))
    keys = {"least": [20.0], "limit": 1.0, "workers": 0, "accelerator": Accelerator(cpu=True)}
    cache = build_cache([there], tmp_path / "cache", **keys)
    assert len(cache) == 6
    pixels = cache(0, 3)
    assert pixels is not None
    assert (np.asarray(pixels.picture) == plain[3].picture.permute(1, 2, 0).numpy()).all()
    monkeypatch.setattr("harmonize.stores.open_store._FRESH", 0.0)
    again = open_set(write_mapping(tmp_path / "there.yaml", f"{bucket}/set"))
    monkeypatch.setattr(RemoteFolder, "_keep", _only_heads(RemoteFolder._keep))
    assert len(build_cache([again], tmp_path / "cache", **keys)) == 6


def _only_heads(keep: object) -> object:
    from harmonize.stores.ranged import wants_heads

    def checked(self: RemoteFolder, name: str, end: int) -> bytes:
        assert wants_heads(), name
        return keep(self, name, end)  # type: ignore[operator]

    return checked


def test_only_the_head_of_a_large_file_is_read_for_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/large/a.bin", bytes(range(256)) * 4000)
    root = open_root("memory://large")
    assert isinstance(root, StoredPath)
    asked: list[tuple[int, int] | None] = []
    read = harmonize.stores.remote.read_part

    def counted(*given: object) -> bytes:
        asked.append(given[3])  # type: ignore[arg-type]
        return read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(harmonize.stores.remote, "read_part", counted)
    from harmonize.stores.ranged import heads_first

    with heads_first():
        assert (root / "a.bin").start(4) == b"\0\1\2\3"
        with (root / "a.bin").open("rb") as file:
            assert file.read(100) == bytes(range(100))
        assert asked == [(0, 1 << 16)]
    monkeypatch.setattr(harmonize.stores.remote, "_WHOLE", 1000)
    with (root / "a.bin").open("rb") as file:
        file.seek(900_000)
        assert file.read(3) == bytes([160, 161, 162])
    assert asked[1:] == [(900_000, 900_000 + (1 << 16))]
    system.rm("/large", recursive=True)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("root", ["set", "set.zip", "hf/**/*.parquet"])
def test_loader_processes_read_for_themselves(
    bucket: str, plain: SegmentationDataset, tmp_path: Path, root: str, workers: int
) -> None:
    spec = write_mapping(tmp_path / "m.yaml", f"{bucket}/{root}", parquet="parquet" in root)
    there = open_set(spec)
    assert (there[0].picture == plain[0].picture).all()  # this process has connections
    batches = [[number] for number in (3, 1, 4, 0, 5, 2)]
    for batch, (number,) in zip(load(there, batches, list, workers=workers), batches, strict=True):
        assert (batch[0].picture == plain[number].picture).all()


def _read(datasets: list[SegmentationDataset], pipe: Pipe) -> None:
    pipe.send([dataset[1].picture.sum().item() for dataset in datasets])


@pytest.mark.slow
def test_spawned_processes_read_a_set_without_listing_it_again(
    bucket: str, plain: SegmentationDataset, place: Path, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    there = open_set(write_mapping(tmp_path / "m.yaml", f"{bucket}/set"))
    packed = open_set(write_mapping(tmp_path / "z.yaml", str(place / "set.zip")))
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=([there, packed], sender))
    process.start()
    process.join()
    assert receiver.poll()
    assert receiver.recv() == [plain[1].picture.sum().item()] * 2
