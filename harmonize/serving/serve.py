"""Serve a trained network: from the run folder to the end of the server."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.errors import HarmonizeError, printable
from harmonize.exporting.exported_model import open_model
from harmonize.inference.predict_options import PredictOptions
from harmonize.inference.read_pictures import see
from harmonize.inference.trained import Trained, TrainedRun
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.runs.opened import open_run
from harmonize.runs.precision import start_accelerator
from harmonize.serving.batching import Batches
from harmonize.serving.bodies import Limits
from harmonize.serving.door import Door
from harmonize.serving.forms import FORMS
from harmonize.serving.questions import Question, Words
from harmonize.serving.refusals import Refusal
from harmonize.serving.sent_pictures import Reader
from harmonize.serving.server import address, listen, make_server
from harmonize.serving.service import Service
from harmonize.system.progress import tell

_FIRST_SIDE = 64
"""Pixels of a side of the picture that is answered before the first request."""


@dataclass(frozen=True)
class ServeOptions:
    """How a network is served.

    Attributes:
        host: the address to listen at.
        port: likewise; 0 for any that is free.
        batch: pictures that go through the network together.
        wait: seconds that one waits for others which are on their way.
        queue: pictures that are received, wait and are answered at a time.
        limits: of a request.
    """

    host: str
    port: int
    batch: int
    wait: float
    queue: int
    limits: Limits


def serve_run(run: Path, options: ServeOptions, predicting: PredictOptions) -> int:
    """Answer pictures over HTTP until a signal comes.

    Args:
        run: the run folder, or a file of ``harmonize export``.
        options: how it is served.
        predicting: what is wanted of the network; the words are chosen by each request.

    Returns:
        The exit status: 0.

    Raises:
        HarmonizeError: what is wrong with the command.
    """
    trained = open_trained(run, predicting)
    with (
        listen(options.host, options.port) as listening,
        serving(trained, options, predicting) as service,
    ):
        server = make_server(Door(service.app()), timeout=options.limits.timeout)
        # Said even to those who want no news: `--port 0` is of no use without it.
        print(
            printable(f"{trained.title} answers at {address(listening)}; Ctrl-C ends it"),
            flush=True,
        )
        server.run(sockets=[listening])
        tell(f"pictures answered: {service.answered}")
    return 0


def open_trained(run: Path, predicting: PredictOptions) -> Trained:
    """Open a run folder, by one of its trees, or an exported file.

    Raises:
        HarmonizeError: there is no such thing, or it has several trees and none is chosen.
    """
    name = predicting.ontology
    if run.is_file():
        if name is not None:
            raise HarmonizeError(f"--ontology {name}: {run} has one tree; leave it out")
        # Its cached properties are what the protocol asks for.
        return open_model(run)  # pyright: ignore[reportReturnType]
    which, trust = predicting.checkpoint, predicting.trust_code
    return TrainedRun(open_run(run, which=which, trust_code=trust, several="one", ontology=name))


@contextmanager
def serving(
    trained: Trained, options: ServeOptions, predicting: PredictOptions
) -> Iterator[Service]:
    """Make what answers requests, and have it answer a first picture.

    Raises:
        HarmonizeError: the options mean nothing to the network, or it fails.
    """
    words = Words(trained, predicting)
    if predicting.like is not None and trained.config.model.norm != PER_DATASET:
        words.work_out(Question(confidence=1.0))  # which alone knows what it means
    wording = words.work_out(Question())
    precision = predicting.precision or trained.config.train.precision
    accelerator = start_accelerator(precision, cpu=predicting.cpu)
    if accelerator.num_processes > 1:
        raise HarmonizeError(
            "serve: is one process, of several that were started; start it without a launcher"
        )
    network = TiledNetwork(trained.network(accelerator.device), accelerator)
    network.check_tile(predicting.tile)
    mirror = torch.from_numpy(trained.sources.ontology.mirror)
    folder = Path(tempfile.mkdtemp(prefix="harmonize-serve-"))
    batches = Batches(network, mirror, most=options.batch, wait=options.wait)
    pool = ThreadPoolExecutor(
        max(2, os.cpu_count() or 1),
        thread_name_prefix="pictures",
        initializer=lambda: torch.set_num_threads(1),
    )
    try:
        views = wording.views
        blank = Image.new("RGB", (_FIRST_SIDE, _FIRST_SIDE))
        seen = see(blank, size=views.read_at, fit=views.is_one, read_as=wording.read_as)
        try:
            for form in FORMS.values():  # which import what they need
                answer = batches.submit(seen, wording, sure=form.sure).result()
                form.write(answer, wording.answers)
        except Refusal as refusal:
            raise HarmonizeError(f"{trained.title}: {refusal.line}") from None
        reader = Reader(folder, options.limits.most_pixels, predicting.turn)
        yield Service(trained, words, reader, batches, pool, options.limits, options.queue)
    finally:
        pool.shutdown(cancel_futures=True)
        batches.close()
        shutil.rmtree(folder, ignore_errors=True)
