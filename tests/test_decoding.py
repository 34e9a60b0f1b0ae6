"""Decisions about pixels against plain float64 references, compiled and in PyTorch."""

import contextlib
import itertools
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harmonize import DatasetSpec, Ontology
from harmonize.config.strict_yaml import load_text
from harmonize.config.train_config import Decode
from harmonize.decoding import native_decoding, strips
from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import DecodingTree, decoding_tree
from harmonize.evaluation.counting import AnsweredPicture, Counter
from harmonize.evaluation.mistakes import kinship
from harmonize.system import compile_c
from random_trees import random_label, random_tree_text

COMPILED = [
    False,
    pytest.param(
        True, marks=pytest.mark.skipif(not native_decoding.is_available(), reason="no C compiler")
    ),
]
every_way = pytest.mark.parametrize("compiled", COMPILED)
HOW: tuple[Decode, ...] = ("tree", "leaves", "height")
# A plant is more probable than the ground, but the ground than each part of the plant.
PLANTS = "background\n\tground\n\tsky\nplant\n\tleaf\n\tstem\n\troot\n"
SPLIT = [0.4, 0.0, 0.25, 0.2, 0.15]


def mapping(name: str, meaning: Mapping[str, Sequence[str]]) -> DatasetSpec:
    """Return a mapping of classes to sets of nodes."""
    means = "".join(f"\n    {key}: [{', '.join(nodes)}]" for key, nodes in meaning.items())
    text = f"""\
name: {name}
root: nowhere
picture: "{{id}}.jpg"
label: "{{id}}.png"
encoding: ids
splits: {{val: {{glob: "*.jpg"}}}}
classes: {{{", ".join(f"{key}: {number}" for number, key in enumerate(meaning))}}}
meaning:
  tree:{means}
"""
    return DatasetSpec.from_document(load_text(text, f"{name}.yaml"))


def scaled(logits: Tensor, height: int, width: int) -> Tensor:
    """Scale (K, h, w) bilinearly in float64, by the definition: one row or column at a time."""
    for dim, size in ((1, height), (2, width)):
        have = logits.shape[dim]
        place = ((torch.arange(size).double() + 0.5) * have / size - 0.5).clamp(0, have - 1)
        low = place.floor().long()
        part = (place - low)[:, None] if dim == 1 else place - low
        high = (low + 1).clamp(max=have - 1)
        logits = logits.index_select(dim, low) * (1 - part) + logits.index_select(dim, high) * part
    return logits


def probabilities(logits: Tensor, tree: DecodingTree) -> Tensor:
    """Return the probability of each unit among all units, in float64: (U, P)."""
    flat = logits.double().flatten(1)
    inside = torch.from_numpy(tree.leaves)[:, :, None]
    return flat[None].masked_fill(~inside, -torch.inf).logsumexp(1).softmax(0)


def worth(p: Tensor, tree: DecodingTree, how: Decode, allowed: np.ndarray) -> Tensor:
    """Return what is compared to decide, the largest wins: (U, P); -inf for what must not win."""
    found = p
    if how == "height":
        found = torch.zeros_like(p)
        for row, weights in zip(tree.groups, tree.weights, strict=True):
            group = torch.from_numpy(row)
            sums = torch.zeros_like(p).index_add(0, group, p)[group]
            found = found + torch.from_numpy(weights)[group][:, None] * sums
    return found.masked_fill(~torch.from_numpy(allowed)[:, None], -torch.inf)


def draw_tree(rng: np.random.Generator) -> tuple[Ontology, DecodingTree]:
    """Draw a tree, with leaves that are told apart, or by two mappings that leave some unclear."""
    ontology = Ontology(random_tree_text(rng, nodes=int(rng.choice([3, 14, 60]))), name="tree")
    if rng.random() < 0.5:
        return ontology, decoding_tree(ontology)
    specs = []
    for number in range(2):
        classes = {f"c{n}": random_label(rng, ontology.nodes) for n in range(rng.integers(2, 9))}
        specs.append(mapping(f"set{number}", classes))
    return ontology, decoding_tree(ontology, specs)


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_answers_are_consistent_at_every_depth(how: Decode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology, tree = draw_tree(rng)
    logits = torch.from_numpy(rng.standard_normal((len(ontology.leaves), 8)) * 2).float()
    decoder = Decoder(tree, how)
    at_depth = [
        Answers.of(tree, tree.masks_at(d)).pixels(decoder, logits) for d in range(1, tree.depth + 1)
    ]
    for depth, (above, below) in enumerate(itertools.pairwise(at_depth), 1):
        outer = tree.masks_at(depth)[above]
        inner = tree.masks_at(depth + 1)[below]
        assert not (inner & ~outer).any()


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("how", HOW)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_decisions_agree_with_float64(compiled: bool, how: Decode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology, tree = draw_tree(rng)
    size = (int(rng.integers(1, 7)), int(rng.integers(1, 40)))
    full = size if rng.random() < 0.5 else (int(rng.integers(1, 7)), int(rng.integers(1, 40)))
    steady = rng.standard_normal((len(ontology.leaves), 1, 1)) * rng.choice([0.1, 3.0, 100.0])
    values = torch.from_numpy(steady + rng.standard_normal((len(ontology.leaves), *size)))
    logits = values.to([torch.float32, torch.bfloat16, torch.float16][rng.integers(3)])
    if rng.random() < 0.5:
        logits = logits.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    allowed = rng.random(tree.num_units) < (1 if rng.random() < 0.5 else 0.6)
    allowed[rng.integers(len(allowed))] = True
    found = Decoder(tree, how, compiled=compiled).picture(logits, full, allowed=allowed)
    assert found.shape == full
    p = probabilities(scaled(logits.double(), *full), tree)
    chosen = found.flatten().long()[None]
    assert allowed[chosen].all()
    if how == "tree":
        assert_down_the_tree(p, tree, chosen[0], allowed)
        return
    compared = worth(p, tree, how, allowed)
    assert (compared.gather(0, chosen) >= compared.amax(0) - 1e-4 * tree.depth).all()


def assert_down_the_tree(
    p: Tensor, tree: DecodingTree, chosen: Tensor, allowed: np.ndarray
) -> None:
    """Check at each depth that no sibling of the chosen group is more probable."""
    may = torch.from_numpy(allowed)
    inside = may[:, None].expand_as(p)
    for row in tree.groups:
        group = torch.from_numpy(row)
        sums = torch.zeros_like(p).index_add(0, group, p)[group]
        best = sums.masked_fill(~inside, -1).amax(0)
        assert (sums.gather(0, chosen[None])[0] >= best - 1e-4).all()
        inside = inside & (group[:, None] == group[chosen][None])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_least_expected_height_is_that_of_brute_force_over_all_nodes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology = Ontology(random_tree_text(rng, nodes=int(rng.integers(2, 14))), name="small")
    tree = decoding_tree(ontology)
    p = torch.from_numpy(rng.dirichlet(np.ones(len(ontology.leaves)), size=5).T)
    nodes = [ontology.leaf_mask(node) for node in ontology.nodes]
    relations = kinship(ontology, np.stack([*np.eye(len(ontology.leaves), dtype=bool), *nodes]))
    leaves = len(ontology.leaves)
    expected = torch.from_numpy(relations.height[leaves:, :leaves]).double() @ p  # (nodes, P)
    chosen = Decoder(tree, "height").pixels(p.log().float())
    names = [tree.names[-1][unit][0] for unit in chosen.tolist()]
    given_heights = torch.stack(
        [expected[ontology.nodes.index(name), column] for column, name in enumerate(names)]
    )
    assert (given_heights <= expected.amin(0) + 1e-5).all()


@every_way
def test_what_a_plant_s_parts_have_together_counts(compiled: bool) -> None:
    tree = decoding_tree(Ontology(PLANTS, name="plants"))
    logits = torch.tensor(SPLIT).log()[:, None, None]
    names = {
        how: tree.names[-1][int(Decoder(tree, how, compiled=compiled).picture(logits).item())][0]
        for how in HOW
    }
    assert names == {"tree": "leaf", "leaves": "ground", "height": "leaf"}


@every_way
@pytest.mark.parametrize("how", HOW)
def test_ties_go_to_the_first(compiled: bool, how: Decode) -> None:
    tree = decoding_tree(Ontology(PLANTS, name="plants"))
    nothing = torch.zeros(5, 3, 21)
    found = Decoder(tree, how, compiled=compiled).picture(nothing)
    first = {"tree": 2, "leaves": 0, "height": 2}[how]  # of five leaves three are a plant's
    assert found.unique().tolist() == [first]


@every_way
@pytest.mark.parametrize("how", HOW)
def test_a_diverged_network_is_answered_without_failing(compiled: bool, how: Decode) -> None:
    tree = decoding_tree(Ontology(PLANTS, name="plants"))
    allowed = np.array([False, True, False, True, True])
    found = Decoder(tree, how, compiled=compiled).picture(
        torch.full((5, 3, 4), torch.nan), (6, 9), allowed=allowed
    )
    assert allowed[found.long()].all()


@pytest.mark.skipif(not native_decoding.is_available(), reason="no C compiler")
def test_decisions_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = decoding_tree(Ontology("".join(f"c{n}\n" for n in range(20)), name="flat"))
    logits = torch.randn(20, 64, 64, generator=torch.Generator().manual_seed(1))
    decoder = Decoder(tree, "tree", compiled=True)
    alone = decoder.picture(logits, (200, 130))
    monkeypatch.setattr(native_decoding, "_WORTHWHILE", 1000)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(decoder.picture(logits, (200, 130)), alone)


_NEEDS = {
    "-march=x86-64": set[str](),
    "-march=haswell": {"avx2", "fma", "bmi2"},
    "-march=x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
"""Flags of gcc and clang for vectors of 4, 8 and 16 numbers, and what of a processor they need."""


@pytest.mark.skipif(not native_decoding.is_available(), reason="no C compiler")
@pytest.mark.parametrize("machine", _NEEDS)
def test_vectors_of_every_width_decide_alike(
    machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists():
        pytest.skip("flags of other machines")
    if not _NEEDS[machine] <= set(Path("/proc/cpuinfo").read_text().split()):
        pytest.skip("this processor does not have them")
    tree = decoding_tree(Ontology(PLANTS, name="plants"))
    logits = torch.randn(5, 37, 83, generator=torch.Generator().manual_seed(3))
    decoder = Decoder(tree, "tree", compiled=True)
    pictures = [
        (picture, size)
        for kind in (logits, logits.bfloat16())
        for picture in (kind, kind.permute(1, 2, 0).contiguous().permute(2, 0, 1))
        for size in ((37, 83), (61, 100), (20, 200))
    ]
    expected = [decoder.picture(picture, size) for picture, size in pictures]
    monkeypatch.setattr(compile_c, "_FOR_THIS_MACHINE", ((machine,),))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with contextlib.ExitStack() as stack:
        for clear in (compile_c.compiled.cache_clear, compile_c.cache_folder.cache_clear):
            clear()
            stack.callback(clear)
        found = [decoder.picture(picture, size) for picture, size in pictures]
        assert list(tmp_path.rglob("*.so"))
    differ = sum(int((a != b).sum()) for a, b in zip(found, expected, strict=True))
    assert differ <= 2  # of about 100,000: exponentials differ in the last place


@pytest.mark.parametrize("label", [(64, 64), (90, 70), (90, 64), (64, 70)])
def test_strips_change_nothing(label: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    tree = decoding_tree(Ontology(PLANTS, name="plants"))
    logits = torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(2))
    decoder = Decoder(tree, "tree", compiled=False)
    whole = decoder.picture(logits, label)
    monkeypatch.setitem(strips.STRIP, "cpu", 7 * 90 * 5)
    assert torch.equal(decoder.picture(logits, label), whole)


def test_without_a_compiler_pytorch_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    native_decoding.is_available.cache_clear()
    native_decoding.compiled.cache_clear()
    with contextlib.ExitStack() as stack:
        stack.callback(native_decoding.compiled.cache_clear)
        stack.callback(native_decoding.is_available.cache_clear)
        assert not native_decoding.is_available()
        decoder = Decoder(decoding_tree(Ontology("a\nb\n", name="ab")), "tree")
        found = decoder.picture(torch.tensor([[[0.0]], [[1.0]]]))
    assert found.tolist() == [[1]]


def test_a_unit_of_no_answer_is_decided_again_among_those_that_are() -> None:
    ontology = Ontology(PLANTS, name="plants")
    tree = decoding_tree(ontology)
    masks = np.stack([ontology.leaf_mask(node) for node in ("stem", "background")])
    answers = Answers.of(tree, masks)
    assert answers.owners.tolist() == [1, 1, -1, 0, -1]
    decoder = Decoder(tree, "tree")
    logits = torch.tensor(SPLIT).log()[:, None, None]  # a leaf, which is neither
    assert answers.picture(decoder, logits).item() == 0  # still a plant, so its stem
    assert answers.pixels(decoder, logits).item() == 0


def test_of_classes_that_have_a_leaf_the_smallest_has_it() -> None:
    ontology = Ontology(PLANTS, name="plants")
    tree = decoding_tree(ontology)
    masks = np.stack([ontology.leaf_mask(node) for node in ("plant", "leaf", "sky")])
    assert tree.owners(masks).tolist() == [-1, 2, 1, 0, 0]


def test_leaves_that_no_label_tells_apart_are_one_unit() -> None:
    ontology = Ontology(PLANTS, name="tree")
    spec = mapping("one", {"it": ["ground"], "both": ["sky", "leaf"], "rest": ["stem", "root"]})
    tree = decoding_tree(ontology, [spec])
    assert tree.names == (
        (("background",), ("sky", "leaf"), ("plant",)),
        (("ground",), ("sky", "leaf"), ("stem", "root")),
    )
    assert [weights.tolist() for weights in tree.weights] == [[2, 2, 2], [0, 0, 0]]
    assert tree.masks_at(1)[2].tolist() == [False, False, False, True, True]


@every_way
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_pixels_are_counted_by_truth_and_answer(compiled: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology, tree = draw_tree(rng)
    labels = [random_label(rng, ontology.nodes) for _ in range(rng.integers(1, 9))]
    masks = np.array([ontology.leaf_mask(label) for label in labels])
    masks[rng.integers(len(masks))] &= bool(rng.integers(2))
    decoder = Decoder(tree, "tree", compiled=compiled)
    answers = Answers.of(tree, masks)
    truth = np.where(masks.any(1), np.arange(len(masks)), -1)
    logits = torch.from_numpy(rng.standard_normal((len(ontology.leaves), 5, 6))).float()
    kind = [torch.uint8, torch.int16, torch.int32, torch.int64][rng.integers(4)]
    classes = torch.from_numpy(rng.integers(0, len(masks), (9, 7))).to(kind)
    picture = AnsweredPicture(decoder, logits, classes)
    found = Counter(answers, truth).count(picture)
    expected = torch.zeros(len(masks), len(masks), dtype=torch.int64)
    if answers.possible.any():
        given_answers = answers.picture(decoder, logits, (9, 7))
        assert torch.equal(picture.answer(answers), given_answers)
        for true, answer in zip(classes.flatten(), given_answers.flatten(), strict=True):
            if truth[int(true)] >= 0:
                expected[int(true), int(answer)] += 1
    assert torch.equal(found, expected)
