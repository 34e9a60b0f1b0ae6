"""Find the file of a tree that a mapping means by its name."""

from pathlib import Path

from harmonize.config.run_config import SHIPPED, find_file
from harmonize.errors import choose_from, near_matches
from harmonize.labels.mapping import TODO_TREE


def find_tree(name: str, mapping: Path) -> Path | None:
    """Find a tree: beside the mapping, else in ``trees/``, else in the working directory."""
    file = f"{name}.txt"
    places = (mapping.parent / file, find_file(f"trees/{file}"), Path(file))
    return next((place for place in places if place.is_file()), None)


def not_found(name: str) -> str:
    """Say that a tree was not found, and where it was looked for."""
    shipped = [path.stem for path in sorted(SHIPPED.glob("trees/*.txt"))]
    if name == TODO_TREE:
        return (
            "still a TODO of the draft; write the name of your tree's file in its place (without "
            f".txt), or of a shipped one; {choose_from(shipped)}"
        )
    advice = near_matches(name, shipped)
    return (
        f"there is no tree {name}.txt beside the mapping, in trees/ or in the working directory; "
        f"{advice} (or name its file as well)"
    )


def free_name(stem: str, tree: str) -> str:
    """Return the name of a text file beside a mapping that is not that of the tree's file."""
    return f"{stem}.txt" if stem != tree else f"{stem}_list.txt"
