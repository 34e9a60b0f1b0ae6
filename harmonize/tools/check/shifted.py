"""Whether the ids of a mapping are those of its label files moved by one."""

from collections.abc import Collection

from harmonize.labels.dataset_spec import DatasetSpec

_FEWEST = 2
"""Classes whose ids follow each other that it takes to say so."""


def shift_question(spec: DatasetSpec, seen: Collection[int]) -> dict[str, str]:
    """Ask of a class that is in no label file, by its name, whether all ids are off by one.

    That is so where its id is at one end of the mapping's, all others are seen, and beyond the
    other end the files hold one more, which is no class's or ignored.

    Args:
        spec: the mapping, with its ids.
        seen: the ids in the label files.
    """
    ignored = {name for nodes in spec.meaning.values() for name in nodes if not nodes[name]}
    owner = {id_: key for key, one in spec.classes.items() for id_ in one.values}
    ids = sorted(id_ for id_, key in owner.items() if key not in ignored)
    if spec.encoding.name != "ids" or len(ids) < _FEWEST or ids[-1] - ids[0] >= len(ids):
        return {}
    lacking = [id_ for id_ in ids if id_ not in seen]
    first, last = ids[0], ids[-1]
    for end, beyond, step in ((last, first - 1, -1), (first, last + 1, 1)):
        if lacking == [end] and beyond in seen:
            held = f"{first + step} to {last + step}"
            what = f"{beyond}, which is ignored" if beyond in owner else f"{beyond}, no class's"
            question = (
                f"shifted by one? The classes have the ids {first} to {last}, the files {held}; "
                f"if {what}, is {owner[first if step < 0 else last]!r}, write {held}"
            )
            return {owner[end]: question}
    return {}
