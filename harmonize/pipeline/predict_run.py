"""Predicting: a run or an exported file is opened, and pictures are answered by each tree."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.exporting.onnx_model import open_model
from harmonize.inference.inputs import find_pictures
from harmonize.inference.predict import predict_trained
from harmonize.inference.predict_options import PredictOptions
from harmonize.inference.trained import Trained, TrainedRun
from harmonize.inference.write_answers import Output
from harmonize.runs.opened import open_run


def predict_run(run: Path, pictures: Sequence[str], output: Output, options: PredictOptions) -> int:
    """Answer pictures, and write a file of ids or colours for each, and a legend.

    Of a run of several trees each is answered in a folder of its name, unless one is asked for.
    See ``predict_trained``.

    Args:
        run: the run folder, or a file of ``harmonize export``.
        pictures: files, folders and patterns.
        output: where to write.
        options: what is wanted of the network.

    Returns:
        The exit status: 0, or that of a signal which ended the work between two pictures.

    Raises:
        HarmonizeError: before anything is written, what is wrong with the command; afterwards each
            picture that could not be answered.
    """
    options.check()
    wanted = find_pictures(pictures, output.folder)
    if run.is_file():
        model = open_model(run)
        if options.ontology is not None:
            raise HarmonizeError(f"--ontology {options.ontology}: {run} has one tree; leave it out")
        # Its cached properties are what the protocol asks for.
        trained: Trained = model  # pyright: ignore[reportAssignmentType]
        return predict_trained(trained, wanted, output, model.completed(options))
    opened = open_run(run, which=options.checkpoint, trust_code=options.trust_code, several=True)
    if options.ontology is not None:
        opened = opened.of_tree(options.ontology)
    elif opened.sources.trees:
        for tree in opened.trees:
            its_output = dataclasses.replace(output, folder=output.folder / tree)
            trained = TrainedRun(opened.of_tree(tree))
            if status := predict_trained(trained, wanted, its_output, options):
                return status
        return 0
    return predict_trained(TrainedRun(opened), wanted, output, options)
