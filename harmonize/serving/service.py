"""The answers to requests: one picture from its bytes to its answer, and what is said beside it."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harmonize.errors import printable
from harmonize.inference.predict_options import Wording
from harmonize.inference.trained import Trained
from harmonize.inference.write_answers import describe
from harmonize.serving.batching import Batches
from harmonize.serving.bodies import Limits, read_body
from harmonize.serving.forms import FORMS, Form
from harmonize.serving.openapi import describe_service
from harmonize.serving.questions import FORMATS, Question, Words, one_of, read_query
from harmonize.serving.refusals import (
    ClientGoneError,
    Refusal,
    client_gone,
    fail,
    refuse,
    refuse_path,
)
from harmonize.serving.sent_pictures import Reader
from harmonize.serving.web_page import page

Found = TypeVar("Found")

MADE_BY = "harmonize serve"
_WORDS = ("as", "depth", "confidence", "decode")
_MOST_WARNED = 500
"""Letters of a warning in a header."""


@dataclass
class Service:
    """Answers requests.

    Attributes:
        trained: the network.
        words: all that it can be asked for.
        reader: of pictures.
        batches: the computing thread.
        pool: threads that decode pictures and write answers.
        limits: of a request.
        places: pictures that are received, wait and are answered at a time.
        busy: how many are.
        answered: how many have been.
    """

    trained: Trained
    words: Words
    reader: Reader
    batches: Batches
    pool: ThreadPoolExecutor
    limits: Limits
    places: int
    busy: int = field(default=0, init=False)
    answered: int = field(default=0, init=False)

    def app(self) -> Starlette:
        """Return the service as an application of ASGI."""
        routes = [
            Route("/", self.page),
            Route("/predict", self.predict, methods=["POST"]),
            Route("/legend", self.legend),
            Route("/health", self.health),
            Route("/openapi.json", self.openapi),
        ]
        handlers: dict[Any, Callable[[Request, Exception], Response]] = {
            Refusal: refuse,
            ClientGoneError: client_gone,
            HTTPException: refuse_path,
            Exception: fail,
        }
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        return app

    async def predict(self, request: Request) -> Response:
        """Answer a picture."""
        found = read_query(request.scope["query_string"], (*_WORDS, "format"))
        name = found.get("format", "png")
        one_of("format", name, FORMATS)
        question = self.words.question(found)
        wording = await self._find(question)
        with self._place():
            body = await read_body(request, self.limits)
            answering = self._answer(body, wording, FORMS[name])
            data, warnings = await self._unless_gone(request, answering)
        self.answered += 1
        headers = {
            "cache-control": "no-store",
            "link": f'</legend?{question.query}>; rel="describedby"',
        }
        if warnings:
            text = printable(warnings[0])[:_MOST_WARNED]
            headers["harmonize-warning"] = text.encode("ascii", "backslashreplace").decode()
        return Response(data, media_type=FORMS[name].kind, headers=headers)

    async def legend(self, request: Request) -> Response:
        """Say what the ids or colours of answers mean."""
        question = self.words.question(read_query(request.scope["query_string"], _WORDS))
        wording = await self._find(question)
        return JSONResponse(_legend(self.trained, self.words, wording))

    async def health(self, _: Request) -> Response:
        """Say that the service answers, and how busy it is."""
        return JSONResponse(
            {
                "status": "ok",
                "step": self.trained.step,
                "busy": self.busy,
                "places": self.places,
                "answered": self.answered,
                "batches": self.batches.batches,
            },
            headers={"cache-control": "no-store"},
        )

    async def openapi(self, _: Request) -> Response:
        """Describe the service to programs."""
        return JSONResponse(describe_service(self.words, self.limits))

    async def page(self, _: Request) -> Response:
        """Show the page on which people try the network."""
        text, policy = page(self.words, self.limits)
        headers = {"content-security-policy": policy, "referrer-policy": "no-referrer"}
        return Response(text, media_type="text/html", headers=headers)

    async def _find(self, question: Question) -> Wording:
        """Return the possible answers, from another thread unless they are known."""
        known = self.words.known(question)
        return known or await self._apart(self.words.find, question)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Take one of the places until the answer is ready or the client has gone."""
        if self.busy >= self.places:
            line = f"all {self.places} places are taken; try again in a second"
            raise Refusal(503, line, {"retry-after": "1"})
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    async def _answer(
        self, body: bytearray, wording: Wording, form: Form
    ) -> tuple[bytes, tuple[str, ...]]:
        with self.batches.coming():
            received = await self._apart(self.reader.read, body, wording)
            form.check(received.seen.size, wording.answers)
            result = self.batches.submit(received.seen, wording, sure=form.sure)
        answer = await asyncio.wrap_future(result)
        return await self._apart(form.write, answer, wording.answers), received.warnings

    async def _apart(self, work: Callable[..., Found], *arguments: object) -> Found:
        """Call a function in another thread; not at all if this is cancelled before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, functools.partial(work, *arguments))

    async def _unless_gone(self, request: Request, work: Coroutine[Any, Any, Found]) -> Found:
        """Do some work, and give it up when the client goes or time is up.

        Raises:
            ClientGoneError: the connection is cut.
            Refusal: time is up.
        """
        tasks = [asyncio.create_task(work), asyncio.create_task(_wait_until_gone(request))]
        limit = self.limits.timeout
        try:
            done, _ = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0] in done:
                return tasks[0].result()
            if done:
                raise ClientGoneError
            line = f"the answer was not ready within {limit:g} seconds; send a smaller picture, "
            raise Refusal(504, line + "or try again when there is less to do")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_until_gone(request: Request) -> Any:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _legend(trained: Trained, words: Words, wording: Wording) -> dict[str, Any]:
    space, views, calibration = wording.answers, wording.views, wording.calibration
    source: dict[str, Any] = {
        **{key: _told(value, words) for key, value in trained.origin.items()},
        "size": views.size,
        "decode": space.decoder.how,
        "scales": list(views.scales),
        "flip": views.flip,
        **calibration.legend(),
    }
    if wording.like is not None:
        source["like"] = wording.like
    for key, text in (("note", calibration.note), ("warning", calibration.warning)):
        if text is not None:
            source[key] = words.without_folders(text)
    return {**describe(space, source), "made_by": MADE_BY}


def _told(value: str | int, words: Words) -> str | int:
    return words.without_folders(value) if isinstance(value, str) else value
