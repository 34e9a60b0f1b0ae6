"""A service of a tiny run in a thread of this process, and a client."""

import contextlib
import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.inference.predict_options import PredictOptions
from harmonize.serving.bodies import Limits
from harmonize.serving.door import Door
from harmonize.serving.serve import ServeOptions, open_trained, serving
from harmonize.serving.server import listen, make_server
from harmonize.serving.service import Service

LIMITS = Limits(most_bytes=1 << 20, most_pixels=1 << 20, timeout=20)
OPTIONS = ServeOptions("127.0.0.1", 0, batch=8, wait=0.005, queue=64, limits=LIMITS)


@dataclass
class Reply:
    """What a client gets."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return self.json["error"]


@dataclass
class Served:
    """A service that runs."""

    service: Service
    server: uvicorn.Server
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str, body: bytes | None = None, kind: str = "image/png") -> Reply:
        """Send one request on a connection of its own."""
        headers = {} if body is None else {"Content-Type": kind}
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, response.read(), dict(response.headers.items()))

    def wait_until_free(self) -> None:
        """Wait until no place is taken."""
        wait_until(lambda: self.service.busy == 0)


def wait_until(condition: Any) -> None:
    """Wait for what happens in another thread."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextlib.contextmanager
def served(run: Path, predicting: PredictOptions | None = None, **changes: Any) -> Iterator[Served]:
    """Serve a run, or an exported file, on a free port."""
    predicting = predicting or PredictOptions(cpu=True)
    limits = {
        key: changes.pop(key) for key in ("most_bytes", "most_pixels", "timeout") if key in changes
    }
    options = dataclasses.replace(OPTIONS, limits=dataclasses.replace(LIMITS, **limits), **changes)
    trained = open_trained(run, predicting)
    with listen("127.0.0.1", 0) as listening, serving(trained, options, predicting) as service:
        server = make_server(Door(service.app()), timeout=options.limits.timeout)
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield Served(service, server, port)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


class Gate:
    """Holds back the network until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        answer = TiledNetwork.answer

        def wait(network: TiledNetwork, *arguments: Any, **options: Any) -> Any:
            self.entered.set()
            assert self.opened.wait(30)
            return answer(network, *arguments, **options)

        monkeypatch.setattr(TiledNetwork, "answer", wait)
