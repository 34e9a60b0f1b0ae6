"""The config of a run: frozen dataclasses read from YAML and ``key.path=value`` overrides."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from harmonize.config.accept import CONFIG_FINDINGS, Accept, check_accept
from harmonize.config.augment_config import STYLE_KEYS, AugmentConfig
from harmonize.config.channels import check_names
from harmonize.config.data_config import DataConfig, DatasetEntry, MixConfig
from harmonize.config.loss_config import LossConfig
from harmonize.config.model_config import ModelConfig
from harmonize.config.named_files import (
    SHIPPED,
    find_beside_config,
    find_file,
    missing_files,
)
from harmonize.config.ontology_keys import about_ontologies, without_ontology
from harmonize.config.schema import Range, build, key_of
from harmonize.config.strict_yaml import Document, Value, load_file
from harmonize.config.train_config import EvaluateConfig, OptimConfig, TrainConfig
from harmonize.errors import HarmonizeError, raise_all

__all__ = ["SHIPPED", "RunConfig", "find_file"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a run is made from."""

    ontology: str = ""
    """The tree: a text file. It, or ``ontologies``, is needed."""
    ontologies: tuple[str, ...] = ()
    """Several trees in place of one, which are learned of the same pictures side by side: each has
    its own channels of the network, its own loss, scores and answers."""
    datasets: tuple[DatasetEntry, ...]
    """The sets that are mixed."""
    evaluate_also: tuple[DatasetEntry, ...] = ()
    """Sets that are scored but never trained on."""
    mix: MixConfig = MixConfig()
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    """Of the initial weights and of the order and the augmentation of the samples."""
    output: str | None = None
    """The run folder; by default ``runs/<config name>``, then ``-2``, ``-3``."""
    accept: Accept = field(default_factory=Accept)
    """Findings of ``harmonize check`` that are meant, by kind: ``{unsupervised: [necklace]}``."""

    @property
    def answer_size(self) -> int | Literal["full"]:
        """The shorter side that pictures are scored and answered at, or ``full``."""
        return self.evaluate.size or self.data.size

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> "RunConfig":
        """Read a config and apply overrides such as ``train.steps=100``.

        Trees and mappings that are not found from the working directory are looked for beside it.

        Raises:
            HarmonizeError: one line for each thing that is wrong.
        """
        document = load_file(path)
        find_beside_config(document, Path(path))
        config = cls.from_document(document, overrides)
        raise_all(missing_files(document))
        return config

    @classmethod
    def from_document(cls, document: Document, overrides: Iterable[str] = ()) -> "RunConfig":
        """Build a config from parsed YAML; see ``from_file``."""
        for assignment in overrides:
            document.override(assignment)
        try:
            config = build(cls, document)
        except HarmonizeError as error:
            raise HarmonizeError(*without_ontology(document), *error.problems) from None
        config = dataclasses.replace(config, datasets=config._with_run_augment(document))
        config._check(document)
        return config

    def to_dict(self) -> dict[str, Value]:
        """Return the config as plain YAML values, every default written out.

        Whether the run was resumed is left out: it is the same run.
        """
        fresh = dataclasses.replace(self, train=dataclasses.replace(self.train, resume=False))
        plain = cast("dict[str, Value]", _plain(fresh))
        if self.train.epochs is not None:  # not yet known how many steps they are
            del cast("dict[str, Value]", plain["train"])["steps"]
        return plain

    def _with_run_augment(self, document: Document) -> tuple[DatasetEntry, ...]:
        """Return the sets; one with an ``augment`` has the run's keys that it does not give."""
        entries: list[DatasetEntry] = []
        for number, entry in enumerate(self.datasets):
            given = document.get(("datasets", number, "augment"))
            if entry.augment is not None and isinstance(given, dict):
                own = {name: getattr(entry.augment, name) for name in given}
                if own.get("cutout") == 0:  # nothing is cut out, so the run's size goes too
                    own = {"cutout_size": AugmentConfig.cutout_size} | own
                if own.get("style") == 0:
                    own = {key: getattr(AugmentConfig, key) for key in STYLE_KEYS} | own
                augment = dataclasses.replace(self.augment, **own)
                entry = dataclasses.replace(entry, augment=augment)
            entries.append(entry)
        return tuple(entries)

    def _unused(self, document: Document) -> list[str]:
        return [
            f"{document.where((key, number))}: neither trained on nor scored; give `evaluate`"
            for key in ("datasets", "evaluate_also")
            for number, entry in enumerate(getattr(self, key))
            if entry.train is None and entry.evaluate is None
        ]

    def _misplaced(self, document: Document) -> list[str]:
        """Return what is wrong with keys about training."""
        problems: list[str] = []
        for key in ("datasets", "evaluate_also"):
            for number, entry in enumerate(getattr(self, key)):
                if key == "evaluate_also" and entry.train is not None:
                    where = document.where((key, number, "train"))
                    problems.append(f"{where}: these sets are never trained on; remove the key")
                problems += [
                    f"{document.where((key, number, name))}: the set is not trained on; remove the "
                    "key"
                    for name in ("take", "max_depth", "augment")
                    if entry.train is None and getattr(entry, name) is not None
                ]
                if entry.part[0] >= entry.part[1]:
                    where = document.where((key, number, "take"))
                    problems.append(f"{where}: the lower bound comes first, got {entry.take}")
        return problems

    def _about_training(self, document: Document) -> list[str]:
        """Return what is wrong between keys that say how the network is trained."""
        train, values = self.train, cast("dict[str, dict[str, Any]]", document.value)
        fixed = train.epochs is None
        scored = any(entry.train and entry.evaluate for entry in self.datasets)
        wrong = (
            (
                "epochs",
                not fixed and "steps" in values["train"],
                "train.steps is given too; remove one of them",
            ),
            (
                "epochs_of",
                fixed and train.epochs_of is not None,
                "belongs to train.epochs; give it too, or remove the key",
            ),
            (
                "patience",
                train.patience is not None and train.evaluate_every is None,
                "counts evaluations; give train.evaluate_every too",
            ),
            (
                "patience",
                train.patience is not None and not scored,
                "no data set is both trained on and scored; give one of them `evaluate`",
            ),
            (
                "unfreeze_at",
                train.unfreeze_at is not None and self.model.freeze == "none",
                "nothing is frozen; give model.freeze, or remove the key",
            ),
            (
                "unfreeze_at",
                fixed and (train.unfreeze_at or 0) >= train.steps,
                f"never comes in a run of {train.steps} steps; give a smaller number",
            ),
        )
        return [
            f"{document.where(('train', key))}: {problem}" for key, holds, problem in wrong if holds
        ]

    def _about_bands(self, document: Document) -> list[str]:
        """Return what is wrong with the names of bands."""
        names, problems = self.model.channels, list[str]()
        if not isinstance(names, int):
            check_names(names, document, ("model", "channels"), problems)
            if not names:
                where = document.where(("model", "channels"))
                problems.append(f"{where}: a picture has at least one band; name it")
        return problems

    def _about_norm(self, document: Document) -> list[str]:
        """Return what is wrong with statistics for each data set."""
        number = sum(entry.train is not None for entry in self.datasets)
        if self.model.norm != "batch_per_dataset" or number > 1:
            return []
        where = document.where(("model", "norm"))
        return [f"{where}: {number} data set is trained on; say norm: batch"]

    def _about_sharding(self, document: Document) -> list[str]:
        """Return what is wrong with sharing the network out over processes."""
        if not (self.model.shard and self.train.compile):
            return []
        where = document.where(("model", "shard"))
        return [f"{where}: does not go with train.compile; say false in one of them"]

    def _about_mixing(self, document: Document) -> list[str]:
        """Return what is wrong between keys that say what is mixed, and how."""
        problems: list[str] = []
        mix = self.mix
        if mix.by == "temperature" and mix.temperature is None:
            where = document.where(("mix", "by"))
            problems.append(f"{where}: give mix.temperature too, such as 2")
        if mix.by != "temperature" and mix.temperature is not None:
            where = document.where(("mix", "temperature"))
            problems.append(f"{where}: belongs to mix.by=temperature; say so, or remove the key")
        if mix.by == "pixels" and self.train.epochs is not None:
            where = document.where(("train", "epochs"))
            problems.append(
                f"{where}: how many steps they are depends on pixels that are not counted yet "
                "(mix.by=pixels); give train.steps instead"
            )
        for number, entry in enumerate(self.datasets):
            if entry.size is not None and entry.size > self.data.size:
                where, most = document.where(("datasets", number, "size")), self.data.size
                problems.append(
                    f"{where}: must be at most data.size, which is {most}, got {entry.size}"
                )
            if entry.augment is not None:
                problems += entry.augment.problems(document, ("datasets", number, "augment"))
        return problems

    def _check(self, document: Document) -> None:
        problems: list[str] = []
        check_accept(self.accept, CONFIG_FINDINGS, document, problems)
        problems += about_ontologies(self, document)
        if not any(entry.train for entry in self.datasets):
            problems.append(
                f"{document.where(('datasets',))}: nothing to train on; "
                "give at least one data set a `train` split"
            )
        else:
            problems += self._unused(document)
        problems += self._misplaced(document)
        problems += self._about_training(document)
        problems += self._about_bands(document)
        problems += self._about_norm(document)
        problems += self._about_sharding(document)
        problems += self._about_mixing(document)
        problems += self.loss.problems(document, ("loss",))
        problems += self.augment.problems(document, ("augment",))
        if problems:
            raise HarmonizeError(*problems)


def _plain(value: Any) -> Value:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {key_of(name): _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value
