"""Answer pictures with the network of a run folder."""

import sys
from typing import Any

import torch
from accelerate.utils import gather_object

from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError
from harmonize.inference.annotations.project import Project
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.answering import PictureAnswers
from harmonize.inference.inputs import Wanted
from harmonize.inference.predict_options import PredictOptions, Wording, choose_answers
from harmonize.inference.trained import Trained
from harmonize.inference.write_answers import Output, describe
from harmonize.plurals import counted
from harmonize.runs.precision import start_accelerator
from harmonize.system.agreement import together
from harmonize.system.locks import locked_together
from harmonize.system.progress import tell
from harmonize.system.signals import Stopped

_NOTED = ("made_by", "run", "file", "checkpoint", "step", "answers")
"""What of a legend a mapping of annotations says too."""


def predict_trained(
    trained: Trained, wanted: list[Wanted], output: Output, options: PredictOptions
) -> int:
    """Answer pictures by one tree, and write a file of ids or colours for each, and a legend.

    Each process answers every n-th picture. A picture that cannot be answered is told at the end,
    by the main process; all others are answered.

    Args:
        trained: the network and what belongs to it.
        wanted: the pictures.
        output: where to write.
        options: what is wanted of the network.

    Returns:
        The exit status: 0, or that of a signal which ended the work between two pictures.

    Raises:
        HarmonizeError: before anything is written, what is wrong with the options; afterwards each
            picture that could not be answered.
    """
    wording = choose_answers(trained, options)
    space, calibration, views = wording.answers, wording.calibration, wording.views
    source: dict[str, Any] = {**trained.origin, "size": views.size, "decode": space.decoder.how}
    if not views.is_one:
        source |= {"scales": list(views.scales), "flip": views.flip}
    if wording.like is not None:
        source["like"] = wording.like
    legend = describe(space, {**source, **calibration.legend()})
    output.check(wanted, legend)
    project = None
    if output.annotations is not None:
        tree = trained.sources.ontology
        how = {"turn": options.turn}
        project = Project.of(output, output.annotations, space, wording.dataset, tree, **how)
        project.check(wanted, banded=bool(wording.read_as.channels))
    precision = options.precision or trained.config.train.precision
    accelerator = start_accelerator(precision, cpu=options.cpu)
    network = TiledNetwork(trained.network(accelerator.device), accelerator)
    network.check_tile(options.tile)
    viewed = ViewedNetwork(network, views, torch.from_numpy(trained.sources.ontology.mirror))
    job = PictureAnswers(viewed, space, output, options, wording.read_as, project)
    advice = "wait until it ends, or choose another --output"
    with locked_together(output.folder, is_main=accelerator.is_main_process, advice=advice):
        return _answer_all(job, wanted, wording, legend, trained.title)


def _answer_all(
    job: PictureAnswers, wanted: list[Wanted], wording: Wording, legend: dict[str, Any], by: str
) -> int:
    """Write the legend and this process's share of the answers; return the exit status."""
    network, space, output = job.network.network, job.space, job.output
    accelerator = network.accelerator
    with together():  # nobody writes before the folder is cleared
        if accelerator.is_main_process:
            output.clear(wanted)
            output.write_legend(legend)
            wording.calibration.tell()
            for label in space.labels:
                if not space.is_classes and len(label.nodes) > 1:
                    tell(f"answered as one: {label.name}; no label tells them apart")
            tell_classes(space)
    mine = wanted[accelerator.process_index :: accelerator.num_processes]
    try:
        with network.like(wording.like), together():
            shares = [job.all_of(mine)]
    except Stopped as stop:
        if accelerator.is_main_process:
            print(f"{stop.name}: what is written is whole; the rest is not begun", file=sys.stderr)
        return stop.status
    shares = gather_object(shares)
    answered = {one.path for share, _ in shares for one in share}
    with together():
        if job.project is not None and accelerator.is_main_process and answered:
            notes = [f"{key}: {value}" for key, value in legend.items() if key in _NOTED]
            job.project.write([one for one in wanted if one.path in answered], notes)
            tell(f"{job.project.mapping}: reads the annotations for {job.project.kind}")
    number = counted(len(wanted), "picture")
    if problems := [problem for _, found in shares for problem in found]:
        if accelerator.is_main_process:
            done = sum(one.path in answered for one in wanted)
            tell(f"{output.folder}: {done} of {number} answered, {space.title}, by {by}")
        raise HarmonizeError(*(problems if accelerator.is_main_process else ()))
    if accelerator.is_main_process:
        tell(f"{output.folder}: {number}, {space.title}, by {by}")
    return 0


def tell_classes(space: AnswerSpace) -> None:
    """Print which classes are answered as one, which by other leaves, and which never."""
    for label, mask in zip(space.labels, space.masks, strict=True):
        if label.classes and mask.any():
            value = space.encoding.write(label.value)
            tell(f"answered as one: {label.short_name}, written as {value}; they mean the same")
    short = {label.name: label.short_name for label in space.labels}
    for title, notes in (
        ("approximate", space.approximate),
        ("never answered", space.unanswerable),
    ):
        for name, says in notes.items():
            tell(f"{title}: {short.get(name, name)}, {says}")
