"""The HTTP server: its socket, slow connections, and a clean stop."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from harmonize.errors import HarmonizeError, printable
from harmonize.system.progress import tell

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_logger = logging.getLogger("uvicorn.error")


class PatientProtocol(H11Protocol):
    """Cuts connections that bring no whole request, or take no answer, within a time."""

    patience: float = 30.0
    """Seconds."""
    _idle: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        # asyncio does so only where a socket names its protocol, and a body would wait 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._idle, self._stuck = _stopped(self._idle), _stopped(self._stuck)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what is sent."""
        super().pause_writing()
        self._stuck = _stopped(self._stuck) or self.loop.call_later(self.patience, self._cut)

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._stuck = _stopped(self._stuck)

    def _watch(self) -> None:
        """Have the connection cut where no request is being answered for too long."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._idle = _stopped(self._idle)
        elif self._idle is None and not self.transport.is_closing():
            self._idle = self.loop.call_later(self.patience, self._cut)

    def _cut(self) -> None:
        self.transport.abort()


def _stopped(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class _Server(uvicorn.Server):
    """Ends cleanly at SIGTERM and Ctrl-C: what is being answered is answered; a second ends it."""

    _signal = "stop"

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._signal = signal.Signals(number).name

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is being answered, and nothing new."""
        tell(f"{self._signal}: what is being answered is finished, nothing new is begun")
        await super().shutdown(sockets)


class _OneLine(logging.Handler):
    """Prints what the server warns of, without a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        tell(printable(record.getMessage()))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that waits for connections.

    Raises:
        HarmonizeError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HarmonizeError(
            f"--host {host} --port {port}: {reason}; choose another, or --port 0 for any that is "
            "free"
        ) from None


def address(listening: socket.socket) -> str:
    """Return the address at which a socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: ASGIApp, *, timeout: float) -> uvicorn.Server:
    """Return a server; its ``run(sockets=[...])`` returns after a signal.

    Args:
        app: that answers.
        timeout: seconds that a client may take for a request or an answer.
    """
    _logger.handlers = [_OneLine(logging.WARNING)]
    _logger.propagate = False
    protocol = type("Protocol", (PatientProtocol,), {"patience": timeout})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(2 * timeout) + 1,
    )
    return _Server(config)
