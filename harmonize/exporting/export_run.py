"""Write the network of a run folder as one file that runs without this project."""

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.export import ExportedProgram

from harmonize import __version__
from harmonize.calibration.calibration_file import read_calibration
from harmonize.config.channels import RGB
from harmonize.config.ontology_keys import config_of_tree
from harmonize.config.run_config import find_file
from harmonize.config.saved_json import to_json
from harmonize.config.strict_yaml import dump
from harmonize.errors import HarmonizeError
from harmonize.exporting.executorch_file import EXTRA, finish_executorch
from harmonize.exporting.executorch_program import as_executorch, trace_scaled
from harmonize.exporting.exported_network import INPUTS, OUTPUTS
from harmonize.exporting.facts import KEY, VERSION, Facts, sealed
from harmonize.exporting.hushing import hushed
from harmonize.exporting.onnx_file import finish_onnx
from harmonize.exporting.quantizing import CalibrationPictures, calibration_pictures, quantized
from harmonize.exporting.tracing import check_exportable, trace
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

Format = Literal["onnx", "torch", "executorch"]
_EXTRAS = {
    "onnx": ("export", ("onnx", "onnxscript", "onnxruntime")),
    "executorch": (EXTRA, ("executorch",)),
}
"""The extra of this package that each format takes, and its modules."""
_OPSET = 20


@dataclass(frozen=True)
class ExportOptions:
    """What is exported.

    Attributes:
        answers: that the file gives, and at what size; as for ``predict``.
        format: ``onnx``, or a program of ``torch.export`` or of ExecuTorch.
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
    extra, modules = _EXTRAS.get(options.format, ("", ()))
    for module in modules:
        need(module, extra=extra, key=f"--format {options.format}")
    answers = options.answers
    opened = open_run(
        run,
        which=answers.checkpoint,
        trust_code=answers.trust_code,
        several="one",
        ontology=answers.ontology,
    )
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
    facts, data = _exported(opened, wording, options, pictures)
    with writing(output):
        write_whole(output, data)
    wording.calibration.tell()
    tell_classes(wording.answers)
    tell(f"{output}: {len(data) / 1e6:.1f} MB, {wording.answers.title}, {facts.precision}")
    if not wording.views.is_one:
        tell("note: the run is scored on several views; the file looks once, `predict` does all")


def _exported(
    opened: OpenedRun,
    wording: Wording,
    options: ExportOptions,
    pictures: CalibrationPictures | None,
) -> tuple[Facts, bytes]:
    """Return a file, and what it says of itself."""
    segmenter, title = opened.network(), opened.config.model.title
    check_exportable(segmenter, title)
    space, size, largest = wording.answers, wording.views.size, None
    with answering_like(segmenter, wording.like):
        if options.format == "executorch":
            program, least, largest = trace_scaled(segmenter, space, title, size)
        else:
            program, least = trace(segmenter, space, title)
    facts = _facts(opened, wording, options.answers, segmenter, least)
    facts = dataclasses.replace(facts, largest=largest)
    legend = json.dumps(legend_of(space))
    if options.format == "torch":
        return facts, _as_torch(program, facts, legend)
    if options.format == "executorch":
        return facts, finish_executorch(as_executorch(program, title), facts, legend)
    model = as_onnx(program, 0 if size == "full" else int(size))
    if pictures is not None:
        model = quantized(model, pictures)
        where = f"{pictures.dataset}, {pictures.split}"
        facts = dataclasses.replace(facts, precision="int8", quantized_on=where)
    return facts, finish_onnx(model, facts, legend)


def as_onnx(program: ExportedProgram, size: int) -> Any:
    """Return a program as an ONNX model whose ``size`` need not be given."""
    onnx: Any = need("onnx", extra="export", key="--format onnx")
    with hushed():
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
    with hushed():
        torch.export.save(program, file, extra_files=sealed(facts, b"", legend))
    return file.getvalue()


def _facts(
    opened: OpenedRun,
    wording: Wording,
    answers: PredictOptions,
    segmenter: Segmenter,
    least: int,
) -> Facts:
    calibration = read_calibration(opened.folder, opened.tree)
    fits = calibration is not None and calibration.step == opened.state.step
    kept: dict[str, Any] = {}
    if fits and calibration is not None:
        kept = {key: value for key, value in vars(calibration).items() if key != "path"}
    spec = _other_mapping(opened, answers.dataset)
    config, (name, tree), mappings = _as_one_tree(opened)
    return Facts(
        version=VERSION,
        made_by=__version__,
        run=str(opened.folder),
        checkpoint=opened.path.name,
        weights=hashlib.sha256(opened.path.read_bytes()).hexdigest(),
        step=opened.state.step,
        config=config,
        ontology=name,
        tree=tree,
        mappings=mappings,
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


def _as_one_tree(opened: OpenedRun) -> tuple[str, tuple[str, str], tuple[str, ...]]:
    """Return a run's config, its tree and its mappings; of several trees as that tree's alone."""
    state, its = opened.state, opened.sources
    if opened.tree is None:
        return state.config, state.ontology, state.mappings
    trained, also = ([entry for entry, _ in pairs] for pairs in (its.trained, its.also))
    config = config_of_tree(state.run_config(), opened.tree, trained, also)
    tree = (its.ontology.name, its.ontology.text)
    return dump(config.to_dict()), tree, tuple(spec.text for spec in its.specs)


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
