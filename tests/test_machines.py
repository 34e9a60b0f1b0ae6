"""Training over two machines, which are two network namespaces here, as the tutorial starts it."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harmonize.config.strict_yaml import dump
from harmonize.runs.optimizer_shares import FOLDER
from tiny import tiny_values, write_project

pytestmark = pytest.mark.slow

ADDRESSES = ("10.211.7.1", "10.211.7.2")
PORT = "29517"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Ended:
    status: int
    said: str


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[str, str]]:
    """Two namespaces that reach each other by a pair of virtual devices alone."""
    if shutil.which("ip") is None:
        pytest.skip("ip (iproute2) is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    word = secrets.token_hex(3)
    names = (f"hz{word}a", f"hz{word}b")
    try:
        try:
            for name in names:
                ip("netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        peer = ("type", "veth", "peer", "name", "net", "netns", names[1])
        ip("link", "add", "net", "netns", names[0], *peer)
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "net")
            for device in ("lo", "net"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("machines"))
    for name in ("shared", "first", "second"):
        (folder / name).mkdir()
    (folder / "run.yaml").write_text(dump(tiny_values(folder, "run")))
    return folder


def train(machines: tuple[str, str], project: Path, where: list[str], *words: str) -> list[Ended]:
    """Start ``harmonize train`` on both machines, each in its working directory."""
    processes: list[subprocess.Popen[str]] = []
    for rank, (machine, folder) in enumerate(zip(machines, where, strict=True)):
        variables = {
            "ACCELERATE_USE_CPU": "true",
            "GLOO_SOCKET_IFNAME": "net",
            "RANK": str(rank),
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "2",
            "MASTER_ADDR": ADDRESSES[0],
            "MASTER_PORT": PORT,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        launcher = (
            *("-m", "accelerate.commands.launch", "--quiet", "--cpu", "--num_machines", "2"),
            *("--num_processes", "2", "--machine_rank", str(rank)),
            *("--main_process_ip", ADDRESSES[0], "--main_process_port", PORT),
            *("--mixed_precision", "no", "--dynamo_backend", "no", "-m", "harmonize"),
        )
        processes.append(
            subprocess.Popen(
                [
                    *("ip", "netns", "exec", machine, sys.executable, *launcher),
                    *("train", "--config", str(project / "run.yaml"), *words),
                ],
                cwd=project / folder,
                env={**os.environ, **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        said = [process.communicate(timeout=800)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [Ended(p.returncode, text) for p, text in zip(processes, said, strict=True)]


def test_machines_that_share_a_disk_train_and_shard_in_one_run_folder(
    machines: tuple[str, str], project: Path
) -> None:
    ended = train(machines, project, ["shared", "shared"], "model.shard=true")
    assert [one.status for one in ended] == [0, 0], ended
    assert "2 x cpu" in ended[0].said
    assert "The run lies in run" in ended[0].said
    (newest,) = (project / "shared" / "run" / FOLDER).glob("step-00000006-*")
    assert len([*newest.iterdir()]) == 2


def test_without_a_shared_disk_the_first_machine_has_the_run_and_cannot_resume_it(
    machines: tuple[str, str], project: Path
) -> None:
    ended = train(machines, project, ["first", "second"])
    assert [one.status for one in ended] == [0, 0], ended
    assert "2 x cpu" in ended[0].said
    assert (project / "first" / "run" / "evaluation.json").is_file()
    assert not [*(project / "second").iterdir()]
    refused = "does not see the first machine's folder; to resume, and for model.shard, the run "
    for words in (["train.resume=true"], ["model.shard=true", "output=other"]):
        ended = train(machines, project, ["first", "second"], *words)
        assert 0 not in [one.status for one in ended], ended
        assert all(one.said.count(refused) == 1 for one in ended), ended
        assert "error: process 1 failed: " in ended[0].said
    assert not [*(project / "second").iterdir()]
