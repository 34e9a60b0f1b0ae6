"""What a request is refused with: a status, and one line that says what to do."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from harmonize.errors import printable


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        line: what is wrong, and what to do.
        headers: of the response.
    """

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return what the client gets."""
        headers = {"cache-control": "no-store", **self.headers}
        return JSONResponse({"error": printable(self.line)}, self.status, headers)


class ClientGoneError(Exception):
    """The client has cut its connection."""


CLIENT_GONE = 499
"""The status of a request whose client has gone, in the log alone."""


def refuse(_: Request, error: Exception) -> Response:
    """Answer a request that is refused."""
    assert isinstance(error, Refusal)
    return error.response()


def refuse_path(request: Request, error: Exception) -> Response:
    """Answer a request of another path or method."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        line = f"{request.method} {path}: is not taken here; use {allowed}"
    else:
        line = f"{path}: is not here; see /openapi.json for what is"
    return Refusal(error.status_code, line, error.headers).response()


def client_gone(_: Request, __: Exception) -> Response:
    """Answer a client that has gone, which nobody reads."""
    return Response(status_code=CLIENT_GONE)


def fail(_: Request, __: Exception) -> Response:
    """Answer a request at which the service itself has failed; its log says how."""
    return Refusal(500, "the service failed; its own log says how").response()
