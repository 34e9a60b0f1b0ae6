"""What a request asks for, as its query says it, and the answers that it can get."""

import dataclasses
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, urlencode

from harmonize.config.train_config import Decode
from harmonize.errors import HarmonizeError, near_matches
from harmonize.exporting.exported_model import ExportedModel
from harmonize.inference.predict_options import PredictOptions, Wording, choose_answers
from harmonize.inference.trained import Trained
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.serving.refusals import Refusal

ASKED = ("as", "depth", "confidence")
"""Of these at most one is given."""
FORMATS = ("png", "coco", "polygons", "probabilities")
DECODES: tuple[Decode, ...] = get_args(Decode)
_OPTION = re.compile(r"^--(\w+) ")
_KEPT = 64
"""Questions whose possible answers are kept."""
_MOST = 20
"""Parameters of a query."""


@dataclass(frozen=True)
class Question:
    """In which words pictures are answered; see ``PredictOptions``."""

    dataset: str | None = None
    depth: int | None = None
    confidence: float | None = None
    decode: Decode | None = None

    @property
    def query(self) -> str:
        """The same as a query."""
        values = {"as": self.dataset, "depth": self.depth}
        values |= {"confidence": self.confidence, "decode": self.decode}
        return urlencode({key: value for key, value in values.items() if value is not None})


def read_query(query: bytes, keys: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a query.

    Raises:
        Refusal: one that is not among the keys, or is given twice.
    """
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST)
    except ValueError:
        raise Refusal(422, f"the query: has more than {_MOST} parameters") from None
    found: dict[str, str] = {}
    for key, value in pairs:
        if key not in keys:
            raise Refusal(422, f"{key}: no such parameter; {near_matches(key, keys)}")
        if key in found:
            raise Refusal(422, f"{key}: is given twice; say it once")
        found[key] = value
    given = [key for key in ASKED if key in found]
    if len(given) > 1:
        raise Refusal(422, f"{' and '.join(given)}: give one of them")
    return found


def one_of(key: str, value: str, choices: Sequence[str]) -> None:
    """Make sure that a parameter is one of some words.

    Raises:
        Refusal: it is not.
    """
    if value not in choices:
        raise Refusal(422, f"{key}={value}: {near_matches(value, choices)}")


class Words:
    """The answers of a trained network in all the words that can be asked for.

    Args:
        trained: the network.
        options: what is wanted where a question does not say it.
    """

    def __init__(self, trained: Trained, options: PredictOptions) -> None:
        self._trained, self._options = trained, options
        self._lock = threading.Lock()
        self._known: OrderedDict[Question, Wording] = OrderedDict()
        self.datasets = tuple(dict.fromkeys(spec.name for spec in trained.sources.specs))
        self.tree = trained.sources.ontology

    def question(self, found: dict[str, str]) -> Question:
        """Return what the parameters of a query ask for.

        Raises:
            Refusal: a value that means nothing.
        """
        if (name := found.get("as")) is not None and name not in self.datasets:
            near = near_matches(name, self.datasets)
            raise Refusal(422, f"as={name}: the network knows no such data set; {near}")
        decode = found.get("decode")
        if decode is not None:
            one_of("decode", decode, DECODES)
        return Question(
            name,
            self._depth(found.get("depth")),
            _confidence(found.get("confidence")),
            next((one for one in DECODES if one == decode), None),
        )

    def known(self, question: Question) -> Wording | None:
        """Return the possible answers if they are worked out already, without waiting."""
        return self._known.get(question)

    def find(self, question: Question) -> Wording:
        """Return the possible answers; they are worked out once.

        Raises:
            Refusal: there are none.
        """
        with self._lock:
            if (known := self._known.get(question)) is not None:
                self._known.move_to_end(question)
                return known
            try:
                wording = self.work_out(question)
            except HarmonizeError as error:
                line = _OPTION.sub(r"\1=", error.problems[0])
                raise Refusal(422, self.without_folders(line)) from None
            self._known[question] = wording
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return wording

    def work_out(self, question: Question) -> Wording:
        """Return the possible answers.

        Raises:
            HarmonizeError: there are none.
        """
        return choose_answers(self._trained, self._wanted(question))

    def without_folders(self, text: str) -> str:
        """Return a text without the folders of the network's files, which are nobody's business."""
        for key in ("run", "file"):
            if folder := str(self._trained.origin.get(key, "")):
                text = text.replace(folder, Path(folder).name)
        return text

    def _wanted(self, question: Question) -> PredictOptions:
        given = self._options
        backs_off = question.confidence is not None
        per_dataset = self._trained.config.model.norm == PER_DATASET
        options = dataclasses.replace(
            given,
            dataset=question.dataset,
            depth=question.depth,
            confidence=question.confidence,
            decode=question.decode or given.decode,
            like=given.like if backs_off or per_dataset else None,
            calibrated=given.calibrated or not backs_off,
        )
        trained = self._trained
        return trained.completed(options) if isinstance(trained, ExportedModel) else options

    def _depth(self, text: str | None) -> int | None:
        if text is None:
            return None
        deepest = self.tree.depth
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= deepest):
            raise Refusal(
                422,
                f"depth={text}: {self.tree.name} has the depths 1 to {deepest}; say one of them, "
                "such as depth=1",
            )
        return int(text[:9])


def _confidence(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise Refusal(
            422,
            f"confidence={text}: expected a probability above 0, up to 1, such as confidence=0.9",
        )
    return value
