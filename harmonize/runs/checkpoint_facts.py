"""Whether the facts that a checkpoint holds beside its tensors are of the types written."""

import math
from typing import Any, get_args

from harmonize.runs.health import RunHealth
from harmonize.runs.standing import Weights


def check_types(facts: dict[str, Any]) -> None:
    """Make sure that facts are of the types that a checkpoint is written with.

    Raises:
        KeyError, TypeError: some are missing, or of another type.
    """
    health, standing, groups = facts["health"], facts["standing"], facts["param_groups"]
    best = standing["best"]
    fitting = {
        "step": _is_count(facts["step"]),
        "standing": (best is None or _is_number(best))
        and _is_count(standing["best_step"])
        and standing["answers_with"] in get_args(Weights),
        "scaler": isinstance(facts["scaler"], dict | None),
        "health": isinstance(health, dict) and health.keys() <= vars(RunHealth()).keys(),
        "config": isinstance(facts["config"], str),
        "ontology": _are(str, facts["ontology"]) and len(facts["ontology"]) == 2,
        "mappings": _are(str, facts["mappings"]) and len(facts["mappings"]) > 0,
        "pictures": _are(str, list(facts.get("pictures", {}).values())),
        "shares": _are(str, list(facts.get("shares", {}).values())),
        "trees": all(_are(str, one) and len(one) == 2 for one in facts.get("trees", [])),
        "optimizer_numbers": _are(dict, list(facts["optimizer_numbers"].values())),
        "param_groups": _are(dict, groups)
        and all(_are(int, group["params"]) and _is_number(group["scale"]) for group in groups),
    }
    wrong = [key for key, fits in fitting.items() if not fits]
    if wrong:
        raise TypeError(f"of another type: {', '.join(wrong)}")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _are(kind: type, items: object) -> bool:
    """Say whether something is a list of items of a kind."""
    return isinstance(items, list) and all(isinstance(item, kind) for item in items)
