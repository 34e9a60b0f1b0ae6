"""Answers of an exported network, against those of ``AnswerSpace``."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from harmonize.config.train_config import Decode
from harmonize.decoding.decoder import Decoder
from harmonize.exporting.plain_decoding import PlainAnswers
from harmonize.inference.answer_space import (
    AnswerSpace,
    classes_of,
    confident_nodes,
    decoder_of,
    groups,
    leaves,
)
from harmonize.labels.sources import Sources, load_sources
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    project = write_project(tmp_path_factory.mktemp("plain"))
    return load_sources(tiny_config(project, project / "run"))


def spaces(sources: Sources, how: Decode) -> dict[str, AnswerSpace]:
    decoder = decoder_of(sources, how)
    fine, coarse = sources.specs
    backed_off = confident_nodes(sources, decoder, 0.6)
    partly = leaves(sources, decoder)
    return {
        "leaves": leaves(sources, decoder),
        "groups": groups(sources, decoder, 1),
        "fine": classes_of(sources, decoder, fine, {}),
        "coarse": classes_of(sources, decoder, coarse, {}),
        "confidence": backed_off,
        "calibrated": dataclasses.replace(
            backed_off, temperatures=np.array([0.5, 2.0, 1.0], dtype=np.float32)
        ),
        "without some": dataclasses.replace(  # pixels of the others are decided again
            partly, labels=partly.labels[1:], masks=partly.masks[1:]
        ),
    }


KINDS = ["leaves", "groups", "fine", "coarse", "confidence", "calibrated", "without some"]


@pytest.mark.parametrize("how", ["tree", "leaves", "height"])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_probabilities_are_those_of_predict(
    sources: Sources, how: Decode, kind: str
) -> None:
    space = spaces(sources, how)[kind]
    plain = Decoder(space.decoder.tree, how, compiled=False)
    space = dataclasses.replace(space, decoder=plain)
    logits = 2 * torch.randn(2, 3, 500)
    classes, probabilities = PlainAnswers(space)(logits)
    assert len(classes.unique()) > 1
    for number, picture in enumerate(logits):
        pixels = picture.view(3, 20, 25)
        assert torch.equal(classes[number].view(20, 25), space.decide(pixels).long())
        expected = space.probabilities(pixels).flatten(1)
        torch.testing.assert_close(probabilities[number], expected)


def test_units_of_several_leaves_are_decided_as_by_the_decoder(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    config = tiny_config(project, tmp_path / "run")
    alone = dataclasses.replace(config, datasets=config.datasets[1:])  # tells no sides apart
    sources = load_sources(alone)
    for how in ("tree", "leaves", "height"):
        space = leaves(sources, decoder_of(sources, how))
        logits = torch.randn(1, 3, 400)
        classes, _ = PlainAnswers(space)(logits)
        expected = Decoder(space.decoder.tree, how, compiled=False).pixels(logits[0])
        assert torch.equal(classes[0], expected)
