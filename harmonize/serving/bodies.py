"""The picture that a request brings: its body, or a file of a form."""

import asyncio
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from starlette.requests import Request

from harmonize.serving.refusals import ClientGoneError, Refusal

FORM = "multipart/form-data"
_PLAIN = "application/octet-stream"
_LONGEST_HEADER = 1 << 14
"""Bytes of what a part of a form says of itself."""


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        most_bytes: of its body.
        most_pixels: of its picture.
        timeout: seconds for the body to come, and as many for the answer.
    """

    most_bytes: int
    most_pixels: int
    timeout: float


async def read_body(request: Request, limits: Limits) -> bytearray:
    """Read the picture that a request brings.

    Raises:
        Refusal: it is of another type, too large, too slow, empty, or a form without a file.
        ClientGoneError: the connection is cut.
    """
    kind = Message()
    kind["content-type"] = request.headers.get("content-type") or _PLAIN
    _check_type(kind, request.headers.get("content-encoding", "identity"))
    too_large = Refusal(
        413, f"the body: has more than {limits.most_bytes} bytes; send a smaller picture"
    )
    length = request.headers.get("content-length", "0")
    if len(length) > 18 or int(length) > limits.most_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body += message.get("body", b"")
                if len(body) > limits.most_bytes:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refusal(
            408,
            f"the body: did not come within {limits.timeout:g} seconds; send it faster, or a "
            "smaller picture",
            {"connection": "close"},
        ) from None
    if not body:
        raise Refusal(400, "the body: is empty; send the bytes of a picture")
    return file_of(body, kind) if kind.get_content_type() == FORM else body


def _check_type(kind: Message, encoding: str) -> None:
    if encoding.strip().lower() not in ("identity", ""):
        raise Refusal(415, f"Content-Encoding: {encoding}: send the picture as it is, without it")
    name = kind.get_content_type()
    if name in (FORM, _PLAIN) or name.startswith("image/"):
        return
    raise Refusal(
        415,
        f"Content-Type: {kind['content-type']}: expected a picture; say image/jpeg, image/png or "
        f"another (curl: -H 'Content-Type: image/jpeg'), {_PLAIN}, or send a form ({FORM})",
    )


def file_of(body: bytearray, kind: Message) -> bytearray:
    """Return the only file of a form, or the one whose field is called ``file``.

    Args:
        body: the form.
        kind: its Content-Type.

    Raises:
        Refusal: it is damaged, or has no such file.
    """
    boundary = kind.get_boundary()
    if not boundary:
        raise Refusal(400, f"Content-Type: {FORM}: names no boundary; let the client write it")
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if not parts or not parts[-1].startswith(b"--"):
        raise Refusal(400, "the form: ends before its end; send all of it")
    del first
    files: list[tuple[str | None, bytearray]] = []
    for part in parts[:-1]:
        written, _, content = part.partition(b"\r\n\r\n")
        head = BytesHeaderParser().parsebytes(bytes(written[:_LONGEST_HEADER]).lstrip())
        field = head.get_param("name", header="content-disposition")
        if head.get_filename() is not None or field == "file":
            files.append((field if isinstance(field, str) else None, bytearray(content)))
    named = [content for field, content in files if field == "file"]
    chosen = named if len(files) > 1 else [content for _, content in files]
    if len(chosen) != 1:
        raise Refusal(
            400,
            f"the form: has {len(files) or 'no'} files; send one picture, as the field file "
            "(curl: -F file=@PICTURE)",
        )
    if not chosen[0]:
        raise Refusal(400, "the form: its file is empty; send the bytes of a picture")
    return chosen[0]
