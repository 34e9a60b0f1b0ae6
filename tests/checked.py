"""Checks the types and shapes of whatever the package calls, as jaxtyping's own hook does.

That hook looks up the arguments of each call three times, also where no shape is named; half of
the time of a small training went there.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
import torch
import torchvision  # noqa: F401  imported below the hook, it and all of its own are compiled again
from beartype import BeartypeConf, beartype

_types_checked = beartype(
    conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError)
)
"""As in type checkers, an int may stand for a float; what does not fit is a TypeError."""
ALWAYS = 1000
"""Calls of a function that are all checked; of later ones every 16th, as loops make millions."""
SHAPES = jaxtyping.jaxtyped("context")
"""Within it a letter of a shape stands for one length."""
_theirs = jaxtyping.jaxtyped
"""It looks at the items of a generator not at all, and beartype at each among others' shapes."""


def check_package(name: str) -> None:
    """Have each function of a package that is imported from now on check its calls."""
    # The hook writes `@jaxtyping.jaxtyped(typechecker=...)` above each function and class.
    jaxtyping.jaxtyped = lambda **_: checked
    jaxtyping.install_import_hook(name, None)


def checked(one: Any) -> Any:
    """Return a function, or a class, that checks its arguments and what it returns."""
    if inspect.isclass(one):
        if dataclasses.is_dataclass(one):
            setattr(one, "__init__", checked(one.__init__))  # noqa: B010
        return one
    if isinstance(one, classmethod | staticmethod):
        return type(one)(checked(one.__func__))
    if isinstance(one, property):
        assert one.fget is not None
        assert one.fset is one.fdel is None
        return property(checked(one.fget))
    hints = _hints(one)
    if inspect.isgeneratorfunction(one) or hints is None:
        return _theirs(one, typechecker=_types_checked)
    has_shapes = any("jaxtyping" in repr(hint) for hint in hints.values())
    return _unless_traced(one, _types_checked(one), has_shapes=has_shapes)


def _hints(function: Callable[..., Any]) -> dict[str, Any] | None:
    """Return the hints if all are known already; beartype refuses what is imported nowhere."""
    try:
        return typing.get_type_hints(function)
    except NameError:
        return None


def _unless_traced(
    function: Callable[..., Any], with_types: Callable[..., Any], *, has_shapes: bool
) -> Callable[..., Any]:
    """Check no call of a network that is compiled or exported: its sizes are no numbers then."""
    calls = 0

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        nonlocal calls
        calls += 1
        if calls > ALWAYS and calls % 16:
            return function(*args, **kwargs)
        if not has_shapes:
            return with_types(*args, **kwargs)
        with SHAPES:
            return with_types(*args, **kwargs)

    return call
