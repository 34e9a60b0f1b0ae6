"""Write the network of a run folder as one file that runs without this project."""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from harmonize import __version__
from harmonize.calibration.calibration_file import read_calibration
from harmonize.config.channels import RGB
from harmonize.config.run_config import find_file
from harmonize.config.saved_json import to_json
from harmonize.errors import HarmonizeError
from harmonize.exporting.exported_network import INPUTS, OUTPUTS, ExportedNetwork
from harmonize.exporting.facts import KEY, VERSION, Facts, sealed
from harmonize.exporting.onnx_file import finish_onnx
from harmonize.exporting.quantizing import CalibrationPictures, calibration_pictures, quantized
from harmonize.exporting.same_padding import same_padding_of_whole_strides
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.predict import tell_classes
from harmonize.inference.predict_options import PredictOptions, Wording, choose_answers
from harmonize.inference.trained import TrainedRun
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.models.dataset_norms import answering_like
from harmonize.models.segmenter import Segmenter
from harmonize.runs.opened import OpenedRun, open_run
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.extras import need
from harmonize.system.own_files import check_output
from harmonize.system.progress import tell

Format = Literal["onnx", "torch"]
_OPSET = 20
_EXAMPLE = (2, 70, 53)
"""Pictures, height and width of what the network is traced with; any others do as well."""
_SIDE = 128
"""Pixels of a side that is large enough for any network to be traced with."""


@dataclass(frozen=True)
class ExportOptions:
    """What is exported.

    Attributes:
        answers: that the file gives, and at what size; as for ``predict``.
        format: ``onnx``, or a program of ``torch.export``.
        int8: the data set whose pictures say which numbers occur, for a network in int8.
        split: of that data set; the one that is trained on unless given.
        force: replace any file.
    """

    answers: PredictOptions
    format: Format = "onnx"
    int8: str | None = None
    split: str | None = None
    force: bool = False

    def check(self) -> None:
        """Make sure that the options go together.

        Raises:
            HarmonizeError: they do not.
        """
        self.answers.check()
        if self.split is not None and self.int8 is None:
            raise HarmonizeError(f"--split {self.split}: is about --int8; give that too")
        if self.int8 is not None and self.format != "onnx":
            raise HarmonizeError(f"--int8 {self.int8}: is for --format onnx alone; leave it out")


def export_run(run: Path, output: Path, options: ExportOptions) -> None:
    """Write a run's network to a file.

    Args:
        run: the run folder.
        output: the file.
        options: what is exported.

    Raises:
        HarmonizeError: what the user can mend; or the network is none that can be exported.
    """
    options.check()
    check_output(output, KEY, option="--output", force=options.force)
    if options.format == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime"):
            need(module, extra="export", key="--format onnx")
    answers = options.answers
    opened = open_run(run, which=answers.checkpoint, trust_code=answers.trust_code)
    if tuple(opened.config.model.bands) != RGB:
        raise HarmonizeError(
            f"{run}: its network takes the bands {', '.join(opened.config.model.bands)}; only one "
            "that takes red, green and blue can be exported"
        )
    trained = TrainedRun(opened)
    wording = choose_answers(trained, answers)
    pictures: CalibrationPictures | None = None
    if options.int8 is not None:
        size = wording.views.size
        pictures = calibration_pictures(opened, options.int8, options.split, size, answers.roots)
    segmenter = opened.network()
    check_exportable(segmenter, opened.config.model.title)
    with answering_like(segmenter, wording.like):
        program, least = trace(segmenter, wording.answers, opened.config.model.title)
    facts = _facts(opened, wording, answers, segmenter, least)
    legend = json.dumps(legend_of(wording.answers))
    if options.format == "torch":
        data = _as_torch(program, facts, legend)
    else:
        model = as_onnx(program, 0 if wording.views.size == "full" else int(wording.views.size))
        if pictures is not None:
            model = quantized(model, pictures)
            where = f"{pictures.dataset}, {pictures.split}"
            facts = dataclasses.replace(facts, precision="int8", quantized_on=where)
        data = finish_onnx(model, facts, legend)
    with writing(output):
        write_whole(output, data)
    wording.calibration.tell()
    tell_classes(wording.answers)
    tell(f"{output}: {len(data) / 1e6:.1f} MB, {wording.answers.title}, {facts.precision}")
    if not wording.views.is_one:
        tell("note: the run is scored on several views; the file looks once, `predict` does all")


def check_exportable(segmenter: Segmenter, title: str) -> None:
    """Make sure that a network's authors let it be exported, and that it takes colours.

    Raises:
        HarmonizeError: it cannot be exported.
    """
    if not segmenter.may_export:
        raise HarmonizeError(f"{title}: cannot be exported: {segmenter.traits.no_export}")
    if segmenter.in_channels != 3:
        raise HarmonizeError(
            f"{title}: takes {segmenter.in_channels} bands; only networks for RGB are exported"
        )


def trace(segmenter: Segmenter, space: AnswerSpace, title: str) -> tuple[ExportedProgram, int]:
    """Return a network as a program, and the least side in pixels that its network is given.

    Some networks do another thing where features are a single pixel. They are given more than that.

    Raises:
        HarmonizeError: it depends on the size of a picture in a way that no program can.
    """
    stride, least = segmenter.stride, max(segmenter.traits.least, segmenter.stride)
    reason = ""
    sides = [least, 2 * stride, 2 * least, max(_SIDE, 2 * least)]
    tried = set[int]()
    for strides in (math.ceil(side / stride) for side in sides):
        network = ExportedNetwork(segmenter, space, strides=strides)
        if network.least in tried:
            continue
        tried.add(network.least)
        try:
            return _program(network), network.least * stride
        except Exception as error:  # of torch.export, about other people's code
            reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise HarmonizeError(f"{title}: cannot be exported: {reason}")


def _program(network: ExportedNetwork) -> ExportedProgram:
    batch, height, width = _EXAMPLE
    pictures = torch.zeros(batch, 3, height, width, dtype=torch.uint8)
    side = max(network.least * network.stride, 32)
    any_size = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    with torch.no_grad(), _hushed(), same_padding_of_whole_strides():
        given: tuple[Tensor, Tensor] = (pictures, torch.tensor(side))
        return torch.export.export(network, given, dynamic_shapes=(any_size, None))


def as_onnx(program: ExportedProgram, size: int) -> Any:
    """Return a program as an ONNX model whose ``size`` need not be given."""
    onnx: Any = need("onnx", extra="export", key="--format onnx")
    with _hushed():
        converted = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            external_data=False,
            input_names=[*INPUTS],
            output_names=[*OUTPUTS],
        )
    assert converted is not None
    model: Any = converted.model_proto
    initial = onnx.TensorProto(name="size", data_type=onnx.TensorProto.INT64, int64_data=[size])
    model.graph.initializer.append(initial)
    return model


def _as_torch(program: ExportedProgram, facts: Facts, legend: str) -> bytes:
    file = io.BytesIO()
    with _hushed():
        torch.export.save(program, file, extra_files=sealed(facts, b"", legend))
    return file.getvalue()


def _facts(
    opened: OpenedRun,
    wording: Wording,
    answers: PredictOptions,
    segmenter: Segmenter,
    least: int,
) -> Facts:
    calibration = read_calibration(opened.folder)
    fits = calibration is not None and calibration.step == opened.state.step
    kept: dict[str, Any] = {}
    if fits and calibration is not None:
        kept = {key: value for key, value in vars(calibration).items() if key != "path"}
    spec = _other_mapping(opened, answers.dataset)
    name, tree = opened.state.ontology
    return Facts(
        version=VERSION,
        made_by=__version__,
        run=str(opened.folder),
        checkpoint=opened.path.name,
        weights=hashlib.sha256(opened.path.read_bytes()).hexdigest(),
        step=opened.state.step,
        config=opened.state.config,
        ontology=name,
        tree=tree,
        mappings=opened.state.mappings,
        mapping=None if spec is None else spec.text,
        calibration=to_json(kept) if kept else None,  # type: ignore[arg-type]
        depth=answers.depth,
        dataset=answers.dataset if spec is None else spec.name,
        confidence=answers.confidence,
        like=wording.like or answers.like,
        calibrated=answers.calibrated,
        decode=wording.answers.decoder.how,
        size=wording.views.size,  # type: ignore[arg-type]
        least=least,
        stride=segmenter.stride,
        reach=segmenter.reach if math.isfinite(segmenter.reach) else None,
        precision="float32",
    )


def _other_mapping(opened: OpenedRun, dataset: str | None) -> DatasetSpec | None:
    """Return the mapping that answers are worded by, if it is none of the run's.

    Raises:
        HarmonizeError: it has the name of one.
    """
    names = [spec.name for spec in opened.sources.specs]
    if dataset is None or dataset in names:
        return None
    spec = DatasetSpec.from_file(find_file(dataset))
    if spec.name in names:
        raise HarmonizeError(
            f"--as {dataset}: is called {spec.name} as a data set of the run; rename it"
        )
    return spec


def legend_of(space: AnswerSpace) -> dict[str, Any]:
    """Return what the numbers of a file's answers mean: each counts into ``classes``."""
    classes: Sequence[dict[str, Any]] = [
        {
            "name": label.name,
            "value": space.encoding.write(label.value),
            "color": "#{:02x}{:02x}{:02x}".format(*label.color),
            "depth": label.depth,
            "nodes": list(label.nodes),
            "is_answered": bool(mask.any()),
        }
        for label, mask in zip(space.labels, space.masks, strict=True)
    ]
    return {"answers": space.title, "encoding": space.encoding.name, "classes": classes}


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep what PyTorch's exporter says of itself from the user.

    It logs and warns, and prints the whole graph to the standard error before it fails.
    """
    loggers = [logging.getLogger(name) for name in ("torch", "torch.export", "torch.onnx")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
