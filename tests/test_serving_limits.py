"""harmonize serve when clients are many, slow or gone, and when it is asked to stop."""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hand_made import untrained_run
from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.inference.predict_options import PredictOptions
from harmonize.serving import serve
from harmonize.serving.batching import Batches
from harmonize.serving.server import address, listen
from served import Gate, Reply, served, wait_until

HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("limits"))


@pytest.fixture(scope="module")
def picture(run: Path) -> bytes:
    return (run.parent / "fine_data" / "10.png").read_bytes()


def in_background(work: Callable[[], Reply]) -> list[Reply]:
    """Return a list that will hold what a client gets."""
    found: list[Reply] = []
    threading.Thread(target=lambda: found.append(work()), daemon=True).start()
    return found


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes the connection."""
    connection.settimeout(30)
    found = b""
    while data := connection.recv(1 << 16):
        found += data
    return found


def test_a_full_queue_says_when_to_try_again(
    run: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(run, queue=2) as one:
        gate = Gate(monkeypatch)
        waiting = [in_background(lambda: one.ask("/predict", picture)) for _ in range(2)]
        wait_until(lambda: one.service.busy == 2)
        assert one.ask("/health").json["busy"] == 2  # which needs no place
        found = one.ask("/predict", picture)
        assert (found.status, found.headers["retry-after"]) == (503, "1")
        assert found.error == "all 2 places are taken; try again in a second"
        gate.opened.set()
        wait_until(lambda: all(waiting))
        assert [one[0].status for one in waiting] == [200, 200]
        one.wait_until_free()
        assert one.ask("/predict", picture).status == 200


def test_an_answer_that_takes_too_long_is_given_up(
    run: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(run, timeout=1.0) as one:
        gate = Gate(monkeypatch)
        first = in_background(lambda: one.ask("/predict", picture))
        assert gate.entered.wait(30)
        batches = one.service.batches.batches
        found = one.ask("/predict", picture)
        assert found.status == 504
        assert found.error.startswith("the answer was not ready within 1 seconds; send a smaller")
        wait_until(lambda: first)
        assert first[0].status == 504
        one.wait_until_free()
        gate.opened.set()
        monkeypatch.undo()
        wait_until(lambda: one.ask("/predict", picture).status == 200)
        # The second picture was never computed.
        assert one.service.batches.batches == batches + one.service.answered


def test_a_slow_body_is_given_up_and_its_place_is_free(run: Path, picture: bytes) -> None:
    with served(run, timeout=1.0) as one, socket.create_connection(("127.0.0.1", one.port)) as slow:
        slow.sendall(HEAD + b"a")
        answer = received(slow)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body: did not come within 1 seconds; send it faster" in answer
        one.wait_until_free()
        assert one.ask("/predict", picture).status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /predict HTTP/1.1\r\nHos", HEAD + bytes(5000) + b"G"])
def test_a_connection_without_a_whole_request_is_cut(run: Path, sent: bytes) -> None:
    with served(run, timeout=1.0) as one, socket.create_connection(("127.0.0.1", one.port)) as slow:
        begun = time.monotonic()
        slow.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            received(slow)  # it ends
        assert time.monotonic() - begun < 20
        wait_until(lambda: not one.server.server_state.connections)


def test_a_client_that_takes_no_answer_is_cut(
    run: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harmonize.serving import forms

    huge = forms.Form("image/png", lambda *_: bytes(1 << 25))
    with served(run, timeout=1.0) as one, socket.create_connection(("127.0.0.1", one.port)) as slow:
        monkeypatch.setitem(forms.FORMS, "png", huge)
        slow.sendall(HEAD.replace(b"5000", str(len(picture)).encode()) + picture)
        wait_until(lambda: one.service.answered == 1)
        wait_until(lambda: not one.server.server_state.connections)
        one.wait_until_free()


def test_a_cut_connection_frees_its_place(
    run: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(run) as one:
        while_sent = socket.create_connection(("127.0.0.1", one.port))
        while_sent.sendall(HEAD + b"a")
        gate = Gate(monkeypatch)
        first = in_background(lambda: one.ask("/predict", picture))
        assert gate.entered.wait(30)
        while_waiting = socket.create_connection(("127.0.0.1", one.port))
        while_waiting.sendall(HEAD.replace(b"5000", str(len(picture)).encode()) + picture)
        wait_until(lambda: one.service.busy == 3 and len(one.service.batches._waiting) == 1)
        while_sent.close()
        while_waiting.close()
        wait_until(lambda: one.service.busy == 1)
        batches = one.service.batches.batches
        gate.opened.set()
        wait_until(lambda: first)
        assert first[0].status == 200
        assert one.service.batches.batches == batches
    assert capsys.readouterr().out.count(" 499, the client has gone, ") == 2


def test_an_oversize_that_is_not_announced_is_harmless(run: Path, picture: bytes) -> None:
    with served(run, most_bytes=100_000) as one:
        connection = one.connect()
        headers = {"Transfer-Encoding": "chunked", "Content-Type": "image/png"}
        chunks = (bytes(10_000) for _ in range(500))
        connection.request("POST", "/predict", chunks, headers, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"].startswith("the body: has more than 100000")
        # The same connection goes on.
        connection.request("POST", "/predict", picture, {"Content-Type": "image/png"})
        assert connection.getresponse().status == 200
        connection.close()


def test_memory_that_lacks_is_told_and_one_of_a_batch_spoils_no_other(
    run: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("for all of them")

    with served(run, wait=0.3) as one:
        monkeypatch.setattr(TiledNetwork, "answer_together", lack)
        found = [in_background(lambda: one.ask("/predict", picture)) for _ in range(3)]
        wait_until(lambda: all(found))
        assert [each[0].status for each in found] == [200] * 3
        monkeypatch.setattr(TiledNetwork, "answer", lack)
        alone = one.ask("/predict", picture)
        assert (alone.status, alone.headers["retry-after"]) == (503, "5")
        assert alone.error == "out of memory; send a smaller picture, or try again"


@pytest.mark.parametrize(
    ("error", "line", "log"),
    [
        (
            HarmonizeError("m.onnx: fails"),
            "the network cannot answer this picture; the",
            "error: m",
        ),
        (KeyError("secret"), "the service failed; its own log says how", "KeyError: 'secret'"),
    ],
)
def test_no_traceback_leaves_the_service(
    run: Path,
    picture: bytes,
    error: Exception,
    line: str,
    log: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with served(run) as one:
        monkeypatch.setattr(TiledNetwork, "answer", fail)
        found = one.ask("/predict", picture)
        assert found.status == 500
        assert found.error.startswith(line)
        assert b"secret" not in found.body
        monkeypatch.undo()
        assert one.ask("/predict", picture).status == 200
    assert log in capsys.readouterr().err


def test_the_log_has_one_line_per_request(
    run: Path, picture: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(run) as one:
        capsys.readouterr()
        one.ask("/predict?as=fine", picture)
        one.ask("/nowhere%0Anew%1b%5B0m?" + "a" * 300)
        with socket.create_connection(("127.0.0.1", one.port)) as connection:
            connection.sendall(b"no request\r\n\r\n")
            assert received(connection).startswith(b"HTTP/1.1 400 ")
        wait_until(lambda: not one.server.server_state.connections)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"127\.0\.0\.1 POST /predict\?as=fine 200, \d+ bytes, \d+ ms", lines[0])
    assert lines[1].startswith(r"127.0.0.1 GET /nowhere\nnew\x1b[0m?aaaa")
    assert "a... 404, " in lines[1]
    assert lines[2] == "Invalid HTTP request received."
    assert len(lines) == 4
    assert lines[3].startswith("stop: ")


def test_a_body_does_not_wait_for_its_head_to_be_acknowledged(run: Path) -> None:
    with served(run) as one, socket.create_connection(("127.0.0.1", one.port)):
        wait_until(lambda: one.server.server_state.connections)
        (connection,) = one.server.server_state.connections
        found: Any = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_what_is_closed_answers_what_waits(run: Path) -> None:
    with served(run) as one:
        batches: Batches = one.service.batches
    assert not batches._thread.is_alive()


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize(("number", "quiet"), [(signal.SIGTERM, []), (signal.SIGINT, ["-q"])])
def test_a_signal_ends_the_command_once_its_requests_are_answered(
    run: Path,
    picture: bytes,
    number: signal.Signals,
    quiet: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ports: list[int] = []
    found: list[bytes] = []

    def noted(host: str, port: int) -> socket.socket:
        listening = listen(host, port)
        ports.append(listening.getsockname()[1])
        return listening

    def use() -> None:
        wait_until(lambda: ports)
        with socket.create_connection(("127.0.0.1", ports[0])) as slow:
            slow.sendall(HEAD.replace(b"5000", str(len(picture)).encode()) + picture[:20])
            wait_until(lambda: _ask(ports[0])["busy"] == 1)
            os.kill(os.getpid(), number)
            wait_until(lambda: _is_refused(ports[0]))
            slow.sendall(picture[20:])
            found.append(received(slow))

    monkeypatch.setattr(serve, "listen", noted)
    client = threading.Thread(target=use)
    client.start()
    assert main(["serve", str(run), "--port", "0", "--cpu", *quiet]) == 0
    client.join()
    assert found[0].startswith(b"HTTP/1.1 200 ")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f" answers at http://127.0.0.1:{ports[0]}; Ctrl-C ends it")
    if quiet:  # the address is told nevertheless
        assert len(lines) == 1
        return
    said = f"{number.name}: what is being answered is finished, nothing new is begun"
    assert said in lines
    assert lines[-1] == "pictures answered: 1"


def _ask(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as response:
        return json.load(response)


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(
            HarmonizeError, match=rf"^--host 127\.0\.0\.1 --port {port}: Address alr"
        ):
            listen("127.0.0.1", port)
    with pytest.raises(HarmonizeError, match=r"^--host no\.such\.host\.invalid --port 0: "):
        listen("no.such.host.invalid", 0)


def test_options_that_mean_nothing_to_the_network_are_named_before_it_serves(run: Path) -> None:
    with (
        pytest.raises(HarmonizeError, match=r"^--like nobody: "),
        served(run, PredictOptions(cpu=True, like="nobody")),
    ):
        pass
    with (
        pytest.raises(HarmonizeError, match=r"^--tile 5: at least "),
        served(run, PredictOptions(cpu=True, tile=5)),
    ):
        pass
