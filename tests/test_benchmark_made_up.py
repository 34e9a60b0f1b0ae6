"""Made-up trees, labels and data sets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harmonize import HarmonizeError
from harmonize.data.open_datasets import open_datasets
from harmonize.labels.sources import load_sources
from harmonize.tools.benchmark.made_up import blobs, leaf_labels, mixed_labels, tree_of
from harmonize.tools.benchmark.made_up_data import made_up_config, write_datasets


@pytest.mark.parametrize(
    ("leaves", "depth"), [(2, 1), (10, 1), (11, 4), (66, 3), (101, 3), (150, 3), (1000, 3)]
)
def test_a_tree_has_as_many_leaves_as_asked_for(leaves: int, depth: int) -> None:
    tree = tree_of(leaves)
    assert len(tree.leaves) == leaves
    assert tree.depth == depth


def test_a_balanced_tree_has_ten_children_per_node() -> None:
    tree = tree_of(1000)
    assert [len(tree.groups(depth)) for depth in range(4)] == [1, 10, 100, 1000]


@pytest.mark.parametrize("leaves", [1, 10_001])
def test_a_tree_of_too_few_or_too_many_leaves_is_refused(leaves: int) -> None:
    with pytest.raises(HarmonizeError, match=rf"--leaves: must be in 2..10000, got {leaves}"):
        tree_of(leaves)


@pytest.mark.parametrize("leaves", [2, 11, 66, 150, 199, 1000])
def test_mixed_labels_fit_the_code_space(leaves: int) -> None:
    rng = np.random.default_rng(0)
    labels = mixed_labels(tree_of(leaves), rng)
    codes = labels.draw(rng, (2, 320, 320))
    assert codes.dtype == labels.space.dtype
    assert codes.shape == (2, 320, 320)
    flat = leaf_labels(labels.space, codes)
    assert np.array_equal(flat == -100, codes == labels.space.ignore)
    masks = labels.space.masks
    known = codes[flat >= 0].astype(int)
    assert masks[known, flat[flat >= 0]].all()


def test_blobs_are_square_patches_of_the_values() -> None:
    drawn = blobs(np.random.default_rng(0), np.array([3, 5]), (1, 20, 40))
    assert set(np.unique(drawn)) == {3, 5}
    assert len(np.unique(drawn[0, :16, 16:32])) == 1


@pytest.mark.parametrize("file_format", ["jpg", "png"])
def test_made_up_data_sets_can_be_read(tmp_path: Path, file_format: str) -> None:
    mappings = write_datasets(tmp_path, 4, pictures=2, size=(64, 64), file_format=file_format)  # type: ignore[arg-type]
    sources = load_sources(made_up_config(mappings, ["data.size=32"]))
    datasets = open_datasets([(spec, "train") for spec in sources.specs], {})
    assert [dataset.spec.encoding.name for dataset in datasets] == ["ids", "rgb", "ids", "rgb"]
    for dataset in datasets:
        sample = dataset[1]
        assert sample.picture.shape == (3, 64, 64)
        assert int(torch.as_tensor(sample.classes).max()) < len(dataset.spec.classes)
    widest = [int(spec.leaf_masks(sources.ontology).sum(1).max()) for spec in sources.specs]
    assert widest[0] == 1
    assert min(widest[1:3]) > 1
