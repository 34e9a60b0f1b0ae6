"""A data set's own file that gives the ids of its classes by their names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.labels.formula import MAX_ID, MIN_ID


@dataclass(frozen=True)
class ClassFile:
    """A data set's own JSON file, which gives the ids of its classes by their names."""

    json: str
    """The file, relative to the data set's folder."""
    items: str = "labels"
    """The key of the list of classes; empty where the file is the list."""
    name: str = "name"
    """The key of a class's name."""
    id: str | None = None
    """The key of a class's id; its position in the list unless given."""

    def ids(self, root: Path) -> dict[str, int]:
        """Read the id of each class.

        Raises:
            HarmonizeError: the file does not look like this.
        """
        path = root / self.json
        try:
            content: Any = json.loads(read_text(path))
            items = content[self.items] if self.items else content
            pairs = [
                (str(item[self.name]), position if self.id is None else item[self.id])
                for position, item in enumerate(items)
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, HarmonizeError):
                raise
            raise HarmonizeError(
                f"{path}: expected classes under {self.items!r} with the key {self.name!r}; "
                "check the mapping's `class_file`"
            ) from None
        ids: dict[str, int] = {}
        taken: set[int] = set()
        for name, number in pairs:
            if type(number) is not int or not MIN_ID <= number <= MAX_ID:
                raise HarmonizeError(f"{path}: the class {name!r} has no usable id, got {number!r}")
            if name in ids or number in taken:
                raise HarmonizeError(f"{path}: {name!r} or its id {number} stands there twice")
            ids[name] = number
            taken.add(number)
        return ids

    def look_up(self, root: Path, names: list[str]) -> list[int]:
        """Return the ids of classes by name.

        Raises:
            HarmonizeError: a name is not in the file, or one of the file's is not in ``names``.
        """
        ids = self.ids(root)
        path, known = root / self.json, set(names)
        problems = [
            f"{path}: no class {name!r}, which the mapping has; {near_matches(name, ids)}"
            for name in names
            if name not in ids
        ]
        problems += [
            f"{path}: the class {name!r} is not in the mapping; add it to `classes`"
            for name in ids
            if name not in known
        ]
        raise_all(problems)
        return [ids[name] for name in names]
