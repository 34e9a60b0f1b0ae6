"""The tree and the mappings that a config names, loaded and checked together."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig, find_file
from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.joined import join_meanings, join_trees, own_codes
from harmonize.labels.named_sets import not_as_named, used_twice
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: N codes of the run.


@dataclass(frozen=True)
class Sources:
    """The tree and the mappings of a run.

    Attributes:
        ontology: the tree.
        trained: the mixed data sets, each entry of the config with its mapping.
        also: the sets that are scored but never trained on.
        completes: whether labels are completed during training, and so become other sets.
        trees: those that ``ontology`` is joined from; none where it is one.
    """

    ontology: Ontology
    trained: tuple[tuple[DatasetEntry, DatasetSpec], ...]
    also: tuple[tuple[DatasetEntry, DatasetSpec], ...]
    completes: bool = False
    trees: tuple[Ontology, ...] = ()

    @property
    def each_tree(self) -> tuple[Ontology, ...]:
        """The trees, of which there mostly is one."""
        return self.trees or (self.ontology,)

    @functools.cached_property
    def of_trees(self) -> tuple[tuple[slice | None, "Sources"], ...]:
        """For each tree its channels of the network, and what serves it."""
        if not self.trees:
            return ((None, self),)
        ends = np.cumsum([len(tree.leaves) for tree in self.trees]).tolist()
        spans = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        return tuple(
            (
                span,
                Sources(
                    tree,
                    _serving(self.trained, tree),
                    _serving(self.also, tree),
                    self.completes,
                ),
            )
            for span, tree in zip(spans, self.trees, strict=True)
        )

    @functools.cached_property
    def codes_of_trees(self) -> tuple[Int[ndarray, " N"], ...]:
        """For each of several trees its code for each code of the run."""
        return tuple(
            own_codes(self.space, span, its.space)
            for span, its in self.of_trees
            if span is not None
        )

    @property
    def specs(self) -> tuple[DatasetSpec, ...]:
        """All mappings, the trained ones first."""
        return tuple(spec for _, spec in (*self.trained, *self.also))

    @property
    def trained_names(self) -> tuple[str, ...]:
        """The names of the data sets that are trained on, by their numbers in batches."""
        return tuple(spec.name for entry, spec in self.trained if entry.train)

    @functools.cached_property
    def taught(self) -> tuple[DatasetSpec, ...]:
        """The mappings that are trained on, as coarse as their entries say."""
        return tuple(self._as_taught(*pair) for pair in self.trained if pair[0].train)

    def _as_taught(self, entry: DatasetEntry, spec: DatasetSpec) -> DatasetSpec:
        if not self.trees:
            return as_taught(entry, spec, self.ontology)
        if entry.max_depth is None:
            return spec
        for tree in self.trees:
            if serves(spec, tree):
                spec = as_taught(entry, spec, tree)
        return join_meanings(spec, self.trees, self.ontology)

    @functools.cached_property
    def space(self) -> TargetSpace:
        """The target space of the trained data sets, built once."""
        finer = self.completes and not self.trees  # each tree's own labels become finer
        return TargetSpace(self.ontology, self.taught, finer=finer)


def _serving(
    pairs: tuple[tuple[DatasetEntry, DatasetSpec], ...], tree: Ontology
) -> tuple[tuple[DatasetEntry, DatasetSpec], ...]:
    """Return the mappings that say something about a tree."""
    return tuple((entry, spec) for entry, spec in pairs if serves(spec, tree))


def serves(spec: DatasetSpec, tree: Ontology) -> bool:
    """Whether a mapping says what some of its classes mean in a tree, or has no labels at all."""
    if not spec.has_labels:
        return True
    return tree.name in spec.meaning and bool(spec.leaf_masks(tree).any())


def as_taught(entry: DatasetEntry, spec: DatasetSpec, ontology: Ontology) -> DatasetSpec:
    """Return a mapping as coarse in a tree as the entry of a config says."""
    depth = entry.depth_in(ontology.name)
    return spec if depth is None else spec.coarsened(ontology, depth)


def load_sources(config: RunConfig, *, several: bool = False) -> Sources:
    """Read the tree and the mappings that a config names, or ``several`` trees if that is fine.

    Raises:
        HarmonizeError: everything that is wrong in any of them.
    """
    problems: list[str] = []
    if config.ontologies and not several:
        raise HarmonizeError(
            f"ontologies: this works on one tree; say ontology={config.ontologies[0]} and "
            "ontologies=[]"
        )
    ontology: Ontology | None = None
    trees: tuple[Ontology, ...] = ()
    try:
        if config.ontologies:
            trees = tuple(Ontology.from_file(find_file(path)) for path in config.ontologies)
            ontology = join_trees(trees)
        else:
            ontology = Ontology.from_file(find_file(config.ontology))
    except HarmonizeError as error:
        problems += error.problems
    loaded: list[tuple[DatasetEntry, DatasetSpec]] = []
    for entry in (*config.datasets, *config.evaluate_also):
        try:
            loaded.append((entry, _read_mapping(config, entry, ontology, trees, problems)))
        except HarmonizeError as error:
            problems += error.problems
    problems += used_twice([spec.name for _, spec in loaded])
    if not problems:  # all names are known
        problems += not_as_named(config, loaded)
    if not problems and not any(spec.has_labels for entry, spec in loaded if entry.train):
        problems.append("datasets: no set that is trained on has labels; add one that has")
    raise_all(problems)
    assert ontology is not None
    number = len(config.datasets)
    completes = config.train.complete is not None
    return Sources(ontology, tuple(loaded[:number]), tuple(loaded[number:]), completes, trees)


def _read_mapping(
    config: RunConfig,
    entry: DatasetEntry,
    ontology: Ontology | None,
    trees: tuple[Ontology, ...],
    problems: list[str],
) -> DatasetSpec:
    """Read the mapping of an entry; add what is wrong with how it is used to ``problems``.

    Raises:
        HarmonizeError: what is wrong in the mapping itself.
    """
    spec = DatasetSpec.from_file(find_file(entry.spec), entry.override)
    problems += _without_labels(config, entry, spec)
    if trees and ontology is not None:
        spec = join_meanings(spec, trees, ontology)
    if ontology is not None and not spec.leaf_masks(ontology).any():
        where = spec.document.where(("meaning", ontology.name))
        problems.append(f"{where}: ignores every class, so there is nothing to learn")
    for split in (entry.train, entry.evaluate):
        if split is not None:
            spec.split(split)
    if ontology is not None:
        for tree in trees or (ontology,):
            problems += _too_coarse(tree, entry, spec)
    return spec


def _without_labels(config: RunConfig, entry: DatasetEntry, spec: DatasetSpec) -> list[str]:
    """Return what is wrong with how a data set without labels is used."""
    if spec.has_labels:
        return []
    where = spec.document.where(("label",))
    problems: list[str] = []
    if entry.evaluate is not None:
        problems.append(f"{where}: {spec.name} has no labels to score; remove its `evaluate`")
    if entry.train is not None and config.train.complete is None:
        problems.append(
            f"{where}: {spec.name} has no labels, so it teaches nothing; say train.complete={{}}, "
            "and they are made during training, or make them before by `harmonize refine`"
        )
    return problems


def _too_coarse(ontology: Ontology, entry: DatasetEntry, spec: DatasetSpec) -> list[str]:
    """Return what is wrong with the depth that an entry coarsens labels to."""
    depth = entry.depth_in(ontology.name)
    if depth is None:
        return []
    if not serves(spec, ontology):
        what = "the set says nothing about this tree; remove the key"
        by_tree = isinstance(entry.max_depth, dict)
        return [f"{spec.name}: max_depth.{ontology.name}: {what}"] if by_tree else []
    if depth > ontology.depth:
        problem = f"{ontology.name} has the depths 1 to {ontology.depth}"
    elif not spec.coarsened(ontology, depth).leaf_masks(ontology).any():
        problem = "every class means the whole tree there, so there is nothing to learn"
    else:
        return []
    return [f"{spec.name}: max_depth {depth}: {problem}; give another, or remove it"]
