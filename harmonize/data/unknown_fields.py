"""Fields of a mapping's paths that a split does not give, and what to write so that it does."""

from harmonize.data.folder_listings import FolderListings
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import Split
from harmonize.labels.path_template import Fields, Template

_SEPARATORS = ("/", ",", ";", "\t", "_")
_OF_CLASSES = {"class"}
"""Fields that are filled in for each class."""


def unknown_fields(
    spec: DatasetSpec, split: Split, row: Fields, folders: FolderListings, where: str
) -> list[str]:
    """Say which fields of ``picture`` and ``label`` a split's first picture does not give."""
    problems: list[str] = []
    for key, template in (("picture", spec.picture), ("label", spec.label)):
        missing = sorted(template.names - {*row} - _OF_CLASSES)
        if missing:
            fields = ", ".join(f"{{{name}}}" for name in missing)
            problems.append(
                f"{where}: nothing gives {fields} a value in `{key}` ({template.text!r}); known: "
                f"{', '.join(sorted(row))}; {_remedy(spec, split, row, missing, folders)}"
            )
    return problems


def _remedy(
    spec: DatasetSpec, split: Split, row: Fields, missing: list[str], folders: FolderListings
) -> str:
    if split.list is None:
        fixed = ", ".join(f"{name}: ..." for name in missing)
        what = "the split's `glob`" if split.glob is not None else "`glob` in place of `range`"
        return f"write the field in {what}, or say `fields: {{{fixed}}}`"
    columns = (*split.columns, *missing)
    if len(split.columns) != 1:
        return f"the list needs a column for it: `columns: [{', '.join(columns)}]`"
    wanted = [name for name in _in_order(spec.picture) if name in columns]
    wanted += [name for name in columns if name not in wanted]
    (column,) = split.columns
    text = str(row.get(column, ""))
    for separator in _SEPARATORS:
        parts = text.split(separator)
        if len(parts) == len(wanted) and _fits(spec, row, wanted, parts, folders):
            return f"say {_keys(wanted, separator)}, as for {text!r}"
    return f"the list needs a column for it, such as {_keys(wanted, '/')} for lines like a/b"


def _keys(columns: list[str], separator: str) -> str:
    written = "\\t" if separator == "\t" else separator
    return f'`columns: [{", ".join(columns)}], separator: "{written}"`'


def _in_order(template: Template) -> list[str]:
    """Return a template's fields in the order of its text."""
    return sorted(template.names, key=lambda name: template.text.index(f"{{{name}"))


def _fits(
    spec: DatasetSpec, row: Fields, names: list[str], values: list[str], folders: FolderListings
) -> bool:
    """Say whether a picture is there if a line's parts are these fields."""
    fields: dict[str, str | int] = {**row, **dict(zip(names, values, strict=True))}
    if not folders.are_listed or spec.picture.names - {*fields}:
        return False
    try:
        return folders.has(folders.complete(spec.picture.fill(fields)))
    except ValueError:  # a number is needed, or several files fit
        return False
