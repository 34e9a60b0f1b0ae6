"""The losses that are compared: what each changes, and which are one and the same."""

from pathlib import Path

import pytest
import torch

from harmonize import HarmonizeError, HierarchicalLoss
from harmonize.labels.sources import load_sources
from harmonize.labels.target_space import TargetSpace
from harmonize.tools.studies.loss_plan import LOSSES, choose_losses, same_losses, with_loss
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


def space(project: Path, *names: str) -> TargetSpace:
    sources = load_sources(tiny_config(project, "run"))
    return TargetSpace(sources.ontology, [spec for spec in sources.specs if spec.name in names])


def test_each_loss_changes_what_it_says_and_keeps_the_rest(project: Path) -> None:
    config = tiny_config(
        project,
        "run",
        "loss.depth_weights=[1, 2]",
        "loss.weighting=mean",
        "loss.coarse=ignore",
        "loss.compile=false",
    )
    made = {name: with_loss(config, name) for name in LOSSES}
    assert all(one.optim == config.optim and one.data == config.data for one in made.values())
    assert {name: (one.loss.terms, one.loss.coarse) for name, one in made.items()} == {
        "flat": ("finest", "ignore"),
        "finest": ("finest", "use"),
        "hierarchical": ("all", "use"),
    }
    weights = {name: one.loss.depth_weights for name, one in made.items()}
    assert weights == {"flat": None, "finest": None, "hierarchical": (1.0, 2.0)}
    assert {(one.loss.weighting, one.loss.compile) for one in made.values()} == {("mean", False)}


def test_the_flat_loss_is_cross_entropy_whatever_the_depth_weights(project: Path) -> None:
    config = with_loss(tiny_config(project, "run", "loss.depth_weights=[1, 9]"), "flat").loss
    loss = HierarchicalLoss(
        space(project, "fine"),
        terms=config.terms,
        coarse=config.coarse,
        depth_weights=config.depth_weights_of_one,
    )
    logits, codes = torch.randn(1, 3, 4, 4), torch.randint(3, (1, 4, 4))
    expected = torch.nn.functional.cross_entropy(logits, codes)
    assert loss(logits, codes).item() == pytest.approx(expected.item(), rel=1e-5)


def test_flat_is_finest_where_all_labels_are_leaves_and_not_elsewhere(project: Path) -> None:
    config = tiny_config(project, "run")
    assert same_losses(config, space(project, "fine")) == (("flat", "finest"), ("hierarchical",))
    three = (("flat",), ("finest",), ("hierarchical",))
    assert same_losses(config, space(project, "coarse")) == three
    assert same_losses(config, space(project, "fine", "coarse")) == three


def test_depth_weights_of_nothing_but_the_leaves_make_all_losses_the_same(project: Path) -> None:
    config = tiny_config(project, "run", "loss.depth_weights=[0, 1]")
    groups = same_losses(config, space(project, "fine"))
    assert groups == (("flat", "finest", "hierarchical"),)
    with pytest.raises(HarmonizeError, match="nothing to compare, since flat is finest is hier"):
        choose_losses(["flat", "hierarchical"], groups)


def test_losses_are_chosen_by_any_of_their_names() -> None:
    groups = (("flat", "finest"), ("hierarchical",))
    assert choose_losses(["hierarchical", "finest"], groups) == groups
    with pytest.raises(HarmonizeError, match="nothing to compare, since flat is finest for"):
        choose_losses(["flat", "finest"], groups)
    with pytest.raises(HarmonizeError, match="nothing to compare; name two that differ"):
        choose_losses(["flat"], (("flat",), ("finest",), ("hierarchical",)))
    with pytest.raises(HarmonizeError, match=r"no loss 'hierarchic'; did you mean hierarchical\?"):
        choose_losses(["flat", "hierarchic"], groups)
