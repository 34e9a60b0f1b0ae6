"""Decoders that tests share."""

from harmonize import Ontology
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.inference.answer_space import decoder_of
from harmonize.labels.sources import Sources


def by_tree(sources: Sources) -> Decoder:
    """Return what decides the pixels of a run that says nothing else."""
    return decoder_of(sources, "tree")


def flat_decoder(leaves: int) -> Decoder:
    """Return a decoder of so many leaves without groups."""
    tree = Ontology("".join(f"w{number}\n" for number in range(leaves)), name="flat")
    return Decoder(decoding_tree(tree), "tree")
