"""What every request goes through: one line in the log, and no error that ends the service."""

import sys
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from harmonize.errors import printable
from harmonize.serving.refusals import CLIENT_GONE
from harmonize.system.progress import tell

_LONGEST = 200
"""Letters of a path and its query in the log."""


class Door:
    """Passes requests on to an application, and prints a line about each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        begun, status, size = time.monotonic(), CLIENT_GONE, 0

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:  # answered already, by status 500
            traceback.print_exc(file=sys.stderr)
        finally:
            said = "the client has gone" if status == CLIENT_GONE else f"{size} bytes"
            took = 1000 * (time.monotonic() - begun)
            tell(f"{_asked(scope)} {status}, {said}, {took:.0f} ms")


def _asked(scope: Scope) -> str:
    client = (scope.get("client") or ("-",))[0]
    query = scope["query_string"].decode("latin-1")
    path = printable(scope["path"] + (f"?{query}" if query else ""))
    path = path if len(path) <= _LONGEST else f"{path[:_LONGEST]}..."
    return f"{client} {scope['method']} {path}"
