"""What the leaves of a changed tree come from, and the network's head for it."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.labels.lineage import NEW_SHARE, Lineage, find_lineage
from harmonize.labels.ontology import Ontology
from harmonize.models.build import build_model
from harmonize.models.head import deciding_biases, grown_state, head_tensors

OLD = """
background
face
person
  hair
  body
vehicle
  car
  truck
  bus
bird
"""
NEW = """
person
  body
  locks
face
  skin
  eyes
    left
    right
background
vehicle
bird
  wing
  tail
  bus
plane
@was locks hair
"""


def tree(text: str, name: str = "new") -> Ontology:
    return Ontology(text, name=name)


def lineage(old: str, new: str) -> Lineage:
    return find_lineage(tree(old, "old"), tree(new))


def kinds(found: Lineage) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {origin.leaf: (origin.kind, origin.sources) for origin in found.origins}


def test_each_kind_of_change_is_found() -> None:
    found = lineage(OLD, NEW)
    everything = tree(OLD).leaves
    assert kinds(found) == {
        "body": ("kept", ("body",)),
        "locks": ("renamed", ("hair",)),
        "skin": ("split", ("face",)),
        "left": ("split", ("face",)),
        "right": ("split", ("face",)),
        "background": ("kept", ("background",)),
        "vehicle": ("merged", ("car", "truck")),
        "wing": ("split", ("bird",)),
        "tail": ("split", ("bird",)),
        "bus": ("moved", ("bus",)),
        "plane": ("new", everything),
    }
    assert found.dropped == ()
    offsets = dict(zip(tree(NEW).leaves, found.offsets(), strict=True))
    assert offsets["left"] == pytest.approx(-math.log(3))
    assert offsets["wing"] == pytest.approx(-math.log(2))
    assert offsets["vehicle"] == pytest.approx(math.log(2))
    assert offsets["bus"] == offsets["locks"] == 0
    assert found.matrix().sum(1) == pytest.approx(np.ones(11))


def test_leaves_that_begin_alike_are_found_and_leaves_from_before_are_not_among_them() -> None:
    old = "background\nvehicle\n\tcar\nface\nplant\n\tgrass\n\ttree\n"
    new = (
        "background\nvehicle\n\tcar\n\tbus\nface\n\teyes\n\tnose\nplant\n\tgrass\n\ttree\n\tmoss\n"
    )
    found = lineage(old, new)
    leaves = [origin.leaf for origin in found.origins]
    assert [[leaves[n] for n in group] for group in found.alike()] == [["bus"], ["eyes", "nose"]]


def test_what_has_no_heir_is_dropped_and_orphans_are_regrouped() -> None:
    found = lineage("a\n\tx\n\ty\nb\n", "b\n")
    assert found.dropped == ("x", "y")
    found = lineage("a\n\tx\n\ty\nb\n", "a\n\tp\n\tq\nb\n")
    assert kinds(found)["p"] == ("regrouped", ("x", "y"))
    assert found.origins[0].shared_by == (2, 2)
    assert found.origins[0].offset == pytest.approx(0)  # log 2 for two sources, for two that share
    found = lineage("a\n\tx\n\ty\nb\n", "a\n\tx\n\ty\n\tz\nb\n")
    assert kinds(found)["z"] == ("new", ("x", "y"))


def test_old_names_of_an_earlier_change_are_passed_over() -> None:
    assert kinds(lineage("person\nb\n", "person\nb\n@was person human\n")) == {
        "person": ("kept", ("person",)),
        "b": ("kept", ("b",)),
    }
    exchanged = lineage("a\nb\n", "a\nb\n@was a b\n@was b a\n")
    assert kinds(exchanged) == {"a": ("renamed", ("b",)), "b": ("renamed", ("a",))}
    assert not exchanged.is_identity
    assert lineage("a\nb\n", "x\nb\n@was x a\n").is_identity


def test_the_table_names_what_changed_and_counts_the_rest() -> None:
    text = lineage(OLD, NEW).table()
    assert text.splitlines() == [
        "locks    renamed  from hair",
        "skin     split    one of 3 that face is split into",
        "left     split    one of 3 that face is split into",
        "right    split    one of 3 that face is split into",
        "vehicle  merged   from car, truck",
        "wing     split    one of 2 that bird is split into",
        "tail     split    one of 2 that bird is split into",
        "bus      moved    has other nodes above it",
        "plane    new      begins with at most 1% of its group",
        "2 leaves kept as they were",
    ]
    assert "y  dropped" in lineage("x\ny\n", "x\nz\n@was z x\n").table().splitlines()


def test_trees_without_a_common_node_and_names_of_nothing_are_refused() -> None:
    with pytest.raises(HarmonizeError, match=r"new: has no node in common with old, .*@was NODE"):
        lineage("a\nb\n", "c\nd\n")
    with pytest.raises(HarmonizeError, match=r"new: @was c carr: the tree .* none of these; .*car"):
        lineage("a\ncar\n", "a\nc\n@was c carr\n")


NETWORKS = {
    "unet": ModelConfig(width=8, norm="group"),
    "unet with batch norm": ModelConfig(width=8),
    "lraspp": ModelConfig(name="lraspp_mobilenet_v3_large"),
    "fcn": ModelConfig(name="fcn_resnet50", args={"aux_loss": True}),
    "encoder": ModelConfig(encoder="resnet18"),
    "fpn": ModelConfig(name="fpn", encoder="resnet18"),
    "segformer": ModelConfig(
        name="transformers/segformer",
        args={
            "hidden_sizes": [8, 8, 8, 8],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 1, 1, 1],
            "decoder_hidden_size": 8,
        },
    ),
}
EXTRAS = {"encoder": "timm", "fpn": "segmentation_models_pytorch", "segformer": "transformers"}


def seeded(name: str, num_leaves: int) -> nn.Module:
    torch.manual_seed(0)
    return build_model(num_leaves, NETWORKS[name], pretrained=False).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_old_group_is_as_probable_as_before(name: str) -> None:
    pytest.importorskip(EXTRAS.get(name, "torch"))
    old = tree("background\nface\nbody\n\tarm\n\tleg\n", "old")
    new = tree(
        "body\n\tleg\n\tarm\n\t\thand\n\t\tupper\nbackground\nface\n\teyes\n\tnose\n\tlips\n"
    )
    found = find_lineage(old, new)
    build = partial(build_model, config=NETWORKS[name], pretrained=False)
    with torch.device("meta"):
        head = head_tensors(build, len(old.leaves))
    before, after = seeded(name, len(old.leaves)), build(len(new.leaves)).eval()
    with torch.no_grad():
        for key, tensor in before.state_dict().items():
            if key in head:
                tensor.normal_()  # biases and all, as training leaves them
    biases = deciding_biases(build(len(old.leaves)), head)
    shares, offsets = torch.from_numpy(found.matrix()), torch.from_numpy(found.offsets())
    after.load_state_dict(grown_state(before.state_dict(), head, biases, shares, offsets))
    pictures = torch.randint(0, 256, (2, 3, 64, 96)).float()
    with torch.no_grad():
        outputs = [net.double()(pictures.double(), auxiliary=True) for net in (before, after)]
    assert len(outputs[0]) == len(outputs[1]) == (2 if name == "fcn" else 1)
    names = list(new.leaves)
    for one, other in zip(*outputs, strict=True):
        one, other = one.softmax(1), other.softmax(1)
        assert one.std() > 1e-3
        for leaf, p in zip(old.leaves, one.unbind(1), strict=True):
            below = [names.index(each) for each in np.array(names)[new.leaf_mask(leaf)]]
            assert (other[:, below].sum(1) - p).abs().max() < 1e-6


def test_what_is_new_begins_with_little_and_what_is_merged_with_no_more_than_before() -> None:
    found = lineage("a\n\tx\n\ty\nb\n\tv\n\tw\n", "a\n\tx\n\ty\n\tz\n\tu\nb\n")
    rng = np.random.default_rng(0)
    for _ in range(100):
        logits = rng.normal(scale=5, size=4)
        grown = found.matrix() @ logits + found.offsets()
        x, y, z, u, b = np.exp(grown)
        assert (z + u) / (x + y + z + u) <= NEW_SHARE * (1 + 1e-9)
        assert b <= np.exp(logits[2:]).sum() * (1 + 1e-9)
    equal = np.exp(found.matrix() @ np.ones(4) + found.offsets())
    assert (equal[2:4].sum() / equal[:4].sum(), equal[4]) == pytest.approx((0.01, 2 * np.e))


class Odd(nn.Module):
    """A network whose head does not fit another tree, in a chosen way."""

    def __init__(self, num_leaves: int, *, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.head = nn.Conv2d(3, num_leaves, 1, bias=kind != "no bias")
        if kind == "squared":
            self.table = nn.Parameter(torch.zeros(4, num_leaves))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(pictures)


def odd(num_leaves: int, kind: str) -> nn.Module:
    from harmonize.models.segmenter import Segmenter

    return Segmenter(Odd(num_leaves, kind=kind))


def test_heads_that_cannot_be_grown_are_named() -> None:
    with pytest.raises(HarmonizeError, match=r"start_from: this network's network\.table depends"):
        head_tensors(partial(odd, kind="squared"), 3)
    head = head_tensors(partial(odd, kind="no bias"), 3)
    assert head == {"network.head.weight"}
    with pytest.raises(HarmonizeError, match=r"start_from: this network's head has no bias"):
        deciding_biases(odd(3, "no bias"), head)  # type: ignore[arg-type]
