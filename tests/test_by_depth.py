"""What is scored at each depth, and the loss there."""

import math

import numpy as np
import pytest
import torch

from harmonize import DatasetSpec, HierarchicalLoss, Ontology, TargetSpace
from harmonize.config.strict_yaml import load_text
from harmonize.evaluation.by_depth import depth_groups, loss_by_depth, score_depth
from harmonize.evaluation.picture_counts import PictureCounts, entries_of
from harmonize.evaluation.sampling import PixelSample

TREE = "sky\nthing\n\tcar\n\tliving\n\t\tperson\n\t\tdog\n"
MAPPING = """
name: {name}
picture: "{{id}}.jpg"
label: "{{id}}.png"
encoding: ids
splits: {{train: {{range: [0, 1]}}}}
classes: {{{classes}}}
meaning: {{small: {{{meaning}}}}}
"""


@pytest.fixture
def tree() -> Ontology:
    return Ontology(TREE, name="small")


def mapping(name: str, **meaning: str) -> DatasetSpec:
    classes = ", ".join(f"{key}: {number}" for number, key in enumerate(meaning))
    means = ", ".join(f"{key}: {value}" for key, value in meaning.items())
    text = MAPPING.format(name=name, classes=classes, meaning=means)
    return DatasetSpec.from_document(load_text(text, f"{name}.yaml"))


def test_a_label_is_scored_at_the_depths_where_it_lies_in_one_group(tree: Ontology) -> None:
    spec = mapping("one", air="sky", auto="car", alive="living", any="[car, person]", no="ignore")
    found = depth_groups(tree, spec)
    assert [one.depth for one in found] == [1, 2, 3]
    assert [one.groups for one in found] == [
        ("sky", "thing"),
        ("sky", "car", "living"),
        ("sky", "car", "person", "dog"),
    ]
    assert [one.group_of.tolist() for one in found] == [
        [0, 1, 1, 1, 2],  # the last number stands for none of them
        [0, 1, 2, 3, 3],
        [0, 1, 4, 4, 4],
    ]
    for one in found:
        assert one.masks.sum(0).tolist() == [1] * len(tree.leaves)
        assert not one.masks[-1].any()


def test_groups_that_no_label_tells_apart_are_left_out(tree: Ontology) -> None:
    coarse = mapping("coarse", air="sky", alive="thing")
    fine = mapping("fine", air="sky", auto="car", human="person", dog="dog")
    found = depth_groups(tree, fine, [coarse])
    assert [one.groups for one in found] == [("sky", "thing"), ("sky",), ("sky",)]
    assert found[1].group_of.tolist() == [0, 1, 1, 1]
    everything = depth_groups(tree, fine, [coarse, fine])
    assert [len(one.groups) for one in everything] == [2, 3, 4]


def test_nothing_can_be_scored_where_nothing_is_told_apart(tree: Ontology) -> None:
    one = mapping("one", some="[sky, car]", others="[person, dog]")
    found = depth_groups(tree, one, [one])
    assert [each.groups for each in found] == [(), ("living",), ()]
    assert found[0].group_of.tolist() == [0, 0]
    scored = score_depth(found[0], torch.zeros(0, 0, dtype=torch.int64))
    assert math.isnan(scored.scores.mean_iou)
    assert scored.num_scored == 0


def test_the_loss_at_each_depth_is_the_mean_over_the_labels_that_resolve_it(tree: Ontology) -> None:
    spec = mapping("one", air="sky", human="person", alive="living", no="ignore")
    generator = torch.Generator().manual_seed(0)
    classes = torch.tensor([0, 1, 1, 2, 2, 2])
    sample = PixelSample(torch.randn(6, 4, generator=generator), classes, torch.zeros(6).long())
    p = sample.logits.double().softmax(1)
    sets = {  # the union of the groups that meet the label, at the depths that it resolves
        1: [[0], [1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]],
        2: [[0], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]],
        3: [[0], [2], [2]],
    }
    expected = [
        np.mean([-math.log(p[pixel, leaves].sum()) for pixel, leaves in enumerate(chosen)])
        for chosen in sets.values()
    ]
    assert loss_by_depth(sample, tree, spec) == pytest.approx(expected, rel=1e-5)


def test_it_is_what_the_training_loss_adds_up(tree: Ontology) -> None:
    spec = mapping("one", air="sky", human="person", alive="living", any="[car, person]")
    space = TargetSpace(tree, [spec])
    generator = torch.Generator().manual_seed(1)
    classes = torch.randint(0, 4, (50,), generator=generator)
    logits = 3 * torch.randn(50, 4, generator=generator)
    codes = torch.from_numpy(space.class_codes("one"))[classes]
    loss = HierarchicalLoss(space, compile=False)
    terms = loss.terms(logits.T[None, :, None], codes[None, None])
    expected = (terms.by_depth[0].double() / terms.resolved[0]).tolist()
    sample = PixelSample(logits, classes, torch.zeros(50).long())
    assert loss_by_depth(sample, tree, spec) == pytest.approx(expected, rel=1e-5)


def test_a_depth_that_no_label_resolves_has_no_loss(tree: Ontology) -> None:
    spec = mapping("one", air="sky", alive="thing")
    sample = PixelSample(torch.zeros(2, 4), torch.tensor([1, 1]), torch.zeros(2).long())
    found = loss_by_depth(sample, tree, spec)
    assert found[0] == pytest.approx(-math.log(3 / 4))
    assert math.isnan(found[1])
    assert math.isnan(found[2])


def test_a_group_that_no_class_lies_in_may_be_answered_but_has_no_score(tree: Ontology) -> None:
    spec = mapping("one", air="sky", rest="[car, dog]", human="person", dog="dog")
    at_two = depth_groups(tree, spec)[1]
    assert at_two.groups == ("sky", "car", "living")
    counts = torch.tensor([[4, 0, 0], [0, 0, 0], [2, 1, 7]])  # rows are true
    found = score_depth(at_two, counts)
    assert found.scores.iou[1].isnan()
    assert found.scores.iou[::2].tolist() == pytest.approx([4 / 6, 0.7])
    assert found.scores.mean_iou == pytest.approx((4 / 6 + 0.7) / 2)
    assert found.num_scored == 2


def test_a_group_that_alone_has_labels_has_no_score(tree: Ontology) -> None:
    """Answered everywhere it would be right on every pixel."""
    spec = mapping("one", rest="[sky, car]", human="person", dog="dog")
    at_two = depth_groups(tree, spec)[1]
    found = score_depth(at_two, torch.tensor([[0, 0, 0], [0, 0, 0], [2, 1, 7]]))
    assert found.num_scored == 0
    assert found.scores.iou.isnan().all()
    assert all(map(math.isnan, (found.scores.mean_iou, found.scores.frequency_weighted_iou)))


def test_groups_weigh_by_their_pixels_in_the_frequency_weighted_iou(tree: Ontology) -> None:
    at_one = depth_groups(tree, mapping("one", air="sky", auto="car", human="person"))[0]
    found = score_depth(at_one, torch.tensor([[1, 1], [2, 6]])).scores
    assert found.iou.tolist() == pytest.approx([1 / 4, 6 / 9])
    assert found.frequency_weighted_iou == pytest.approx((2 * 1 / 4 + 8 * 6 / 9) / 10)


def test_a_group_that_is_the_only_one_has_no_score(tree: Ontology) -> None:
    coarse = mapping("coarse", air="sky", alive="thing")
    fine = mapping("fine", air="sky", auto="car", human="person", dog="dog")
    alone = depth_groups(tree, fine, [coarse])[1]
    assert alone.groups == ("sky",)
    counts = torch.tensor([[7]])
    found = score_depth(alone, counts, PictureCounts.join({0: entries_of(counts)}))
    assert found.num_scored == 0
    assert all(map(math.isnan, (found.scores.mean_iou, found.scores.pixel_accuracy)))
    assert math.isnan(found.scores.frequency_weighted_iou)
    assert all(map(math.isnan, found.interval))


def test_the_interval_of_a_depth_is_over_the_groups_that_have_a_score(tree: Ontology) -> None:
    spec = mapping("one", air="sky", rest="[car, dog]", human="person", dog="dog")
    at_two = depth_groups(tree, spec)[1]
    matrices = [torch.tensor([[5, 0, 0], [0, 0, 0], [0, 3, n]]) for n in (3, 7, 9)]
    pictures = PictureCounts.join({n: entries_of(one) for n, one in enumerate(matrices)})
    found = score_depth(at_two, torch.stack(matrices).sum(0), pictures)
    low, high = found.interval
    assert (1 + 3 / 6) / 2 <= low < found.scores.mean_iou < high <= (1 + 9 / 12) / 2
