"""Write a mapping for a new data set from its folder, to be finished by hand."""

import dataclasses
import errno
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.run_config import find_file
from harmonize.config.strict_yaml import load_text
from harmonize.data.sizes import of_one_shape
from harmonize.errors import HarmonizeError
from harmonize.labels.beside import find_beside
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import TODO
from harmonize.labels.ontology import Ontology
from harmonize.pictures.reading import header_size, sides_swap
from harmonize.plurals import counted
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.progress import tell
from harmonize.tools.draft.annotation_draft import draft_annotated
from harmonize.tools.draft.annotation_files import Annotations, find_annotations
from harmonize.tools.draft.by_name import Proposal, by_name, choose_tree, left_open
from harmonize.tools.draft.class_tables import find_tables
from harmonize.tools.draft.draft_classes import draft_classes
from harmonize.tools.draft.file_groups import SAMPLES, evenly
from harmonize.tools.draft.folder_files import Files, find_files
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.label_values import scan_values
from harmonize.tools.draft.mapping_text import Draft, commented, write_mapping
from harmonize.tools.draft.orientations import find_exif
from harmonize.tools.draft.pairing import Only, find_layout
from harmonize.tools.draft.set_place import name_of, root_of
from harmonize.tools.draft.splits import advice, find_splits
from harmonize.tools.draft.trial import try_splits

if TYPE_CHECKING:
    from harmonize.tools.draft.overlap import LeafPredictor

_NAME = re.compile(r"[\w-]+")
_SHOWN = 10
"""Problems that are printed."""


def new_mapping(
    folder: Path,
    *,
    tree: Path | None = None,
    run: Path | None = None,
    output: Path | None = None,
    name: str | None = None,
    scan: int = 200,
    trust_code: bool = False,
    labels: Path | None = None,
    images: Path | None = None,
    force: bool = False,
) -> None:
    """Look at a folder of pictures and labels, write a mapping of it and print what it comes to.

    Args:
        folder: of the data set.
        tree: whose nodes the classes mean; that of the run, else a shipped one, unless given.
        run: a run folder, whose network is asked what each class may mean.
        output: the file to write; by default the set's name in the working directory.
        name: of the data set; by default the folder's.
        scan: how many labels are read.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
        labels, images: the folders that the labels and the pictures lie in, at whatever depth.
        force: replace the file to write.

    Raises:
        HarmonizeError: what the user can mend.
    """
    if scan < 1:
        raise HarmonizeError(f"--scan {scan}: at least one label has to be read")
    files = find_files(folder)
    name = _name(folder, name)
    output = _output(output, name, force=force)
    only = Only(_inside(folder, labels, "--labels"), _inside(folder, images, "--images"))
    if files.skipped:
        shown = ", ".join(files.skipped[:3])
        number = counted(len(files.skipped), "file or folder", "files or folders")
        print(f"left out: {number} that cannot be read: {shown}")
    network = None
    if run is not None:
        from harmonize.tools.draft.overlap import load_network  # slow to import

        network = load_network(run, trust_code=trust_code)
    ontology = None if network is None else _same_tree(network, tree)
    annotated = Annotations() if labels is not None else find_annotations(folder, files, scan)
    if annotated.files:
        drafted = draft_annotated(name, root_of(folder, output), annotated, folder, files)
        drafted.mean(*(choose_tree(tree, drafted.classes) if ontology is None else (ontology, "")))
        if network is not None:
            drafted.ask(network, folder, scan)
        spec = _write_all(drafted.text(), drafted.lists, output, force=force)
        check = [str(path) for path in _to_check(output, tree)]
        drafted.tell(spec, folder, output, check)
        return
    try:
        draft = _look(folder, name, files, scan, only)
    except HarmonizeError as error:
        unused = (f"{folder}: not used: {line}" for line in annotated.unused)
        raise HarmonizeError(*error.problems, *unused) from None
    draft.root = root_of(folder, output)
    if ontology is None:
        ontology, draft.tree_note = choose_tree(tree, draft.classes)
    draft.tree = None if ontology is None else ontology.name
    draft.meaning = by_name(draft.classes, ontology)
    if draft.unsure_label:
        draft.meaning = left_open(draft.meaning, "which label? see above")
    if network is not None:
        _ask(network, draft, folder, scan)
    spec = _write_all(write_mapping(draft), draft.lists, output, force=force)
    splits, problems = try_splits(spec, folder)
    tell(_summary(draft, splits))
    for problem in list(dict.fromkeys([*draft.scan.refused, *problems]))[:_SHOWN]:
        print(f"to mend: {commented(problem)}")
    tell(_what_next(draft, output, tree))


def _write_all(text: str, lists: dict[str, str], output: Path, *, force: bool) -> DatasetSpec:
    """Write a mapping and the lists of its splits; return what it says."""
    places = {output.parent / file: listed for file, listed in lists.items()}
    for place in places:
        if place.exists() and not force:
            raise HarmonizeError(f"{place}: is there already; replace it with --force")
    for place, written in {**places, output: text}.items():
        _write(place, written, force=force)
    document = load_text(text, str(output))
    find_beside(document, output)
    return DatasetSpec.from_document(document)


def _inside(folder: Path, given: Path | None, option: str) -> str | None:
    """Return where a folder lies in the data set's, with a slash; None if none is given."""
    if given is None:
        return None
    for place in (folder / given, given):
        if place.is_dir() and place.resolve().is_relative_to(folder.resolve()):
            inside = place.resolve().relative_to(folder.resolve()).as_posix()
            return "" if inside == "." else f"{inside}/"
    raise HarmonizeError(f"{option} {given}: no folder in {folder}; name one, relative to it")


def _look(folder: Path, name: str, files: Files, scan: int, only: Only) -> Draft:
    """Find out all that the folder itself tells."""
    layout, rivals, others = find_layout(folder, files.images, only)
    values = scan_values(folder, layout, scan)
    exif = find_exif(folder, layout, scan)
    resize = _resize(folder, layout, turned=exif is not None and exif.value == "apply")
    layout, found = find_splits(folder, layout, files, name)
    pictures = {label.core for label, _ in layout.pairs}
    tables = find_tables(folder, files.texts, pictures)
    classes, doubts = draft_classes(layout, values, tables)
    return Draft(
        name=name,
        root=str(folder),
        layout=layout,
        splits=found.splits,
        split_remarks=found.remarks,
        lists=found.files,
        asked=found.asked,
        scan=values,
        classes=classes,
        class_remarks=doubts,
        resize=resize,
        exif=exif,
        others=others,
        rivals=rivals,
    )


def _resize(folder: Path, layout: FolderLayout, *, turned: bool) -> str:
    """Say how pictures and labels differ in size; empty if they do not, or in shape as well."""
    differs = ""
    for label, picture in evenly(layout.pairs, SAMPLES):
        try:
            width, height = header_size(folder / picture.path)
            if turned and sides_swap(folder / picture.path):
                width, height = height, width
            label_size = header_size(folder / label.path)
        except HarmonizeError:
            continue
        if not of_one_shape((width, height), label_size):
            return ""  # which reading it tells
        if not differs and (width, height) != label_size:
            differs = f"{width} x {height} pixels, but the label {label_size[0]} x {label_size[1]}"
    return differs


def _ask(network: "LeafPredictor", draft: Draft, folder: Path, number: int) -> None:
    """Let a network propose the meaning of the classes, and print its table."""
    from harmonize.tools.draft.by_network import left_out, overlaps, propose, table

    draft.meaning = {one.name: Proposal((TODO,), "") for one in draft.classes} | draft.meaning
    asked = dataclasses.replace(draft, splits=draft.asked or draft.splits)
    spec = DatasetSpec.from_document(load_text(write_mapping(asked), "the drafted mapping"))
    found, counts = overlaps(network, spec, folder, draft.classes, number=number)
    draft.meaning = propose(found, draft.classes, draft.meaning)
    draft.remarks = left_out(found, draft.classes, counts, network.ontology)
    tell(table(found, draft.classes, draft.meaning) + "\n")


def _same_tree(network: "LeafPredictor", tree: Path | None) -> Ontology:
    """Return the run's tree, which is the only one that its network can speak of."""
    if tree is not None:
        given = choose_tree(tree, [])[0]
        if given is None or given.leaves != network.ontology.leaves:
            raise HarmonizeError(
                f"--tree {tree}: not the tree of the run, {network.ontology.name}; leave it out"
            )
    return network.ontology


def _name(folder: Path, name: str | None) -> str:
    """Return the data set's name: the one that is given, or the folder's, as a name can be."""
    if name is None:
        return re.sub(r"[^\w-]+", "_", name_of(folder)).strip("_") or "dataset"
    if not _NAME.fullmatch(name):
        raise HarmonizeError(f"--name {name}: a name is made of letters, digits, _ and -")
    return name


def _output(output: Path | None, name: str, *, force: bool) -> Path:
    """Return the file to write, which must not be there unless it may be replaced."""
    output = Path(f"{name}.yaml") if output is None else output
    if output.suffix.lower() not in (".yaml", ".yml"):
        raise HarmonizeError(f"{output}: a mapping is a .yaml file; name it so")
    if output.is_dir() or (not force and (output.exists() or output.is_symlink())):
        raise HarmonizeError(
            f"{output}: is there already; name another file with -o, or replace it with --force"
        )
    if not output.absolute().parent.is_dir():
        raise HarmonizeError(f"{output}: its folder does not exist; make it first")
    return output


def _write(output: Path, text: str, *, force: bool) -> None:
    with writing(output):
        if not force and os.path.lexists(output):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        write_whole(output, text.encode())


def _summary(draft: Draft, splits: Mapping[str, int]) -> str:
    """Say what is there and what is to be done, with the number of pictures of each split."""
    layout, total = draft.layout, len(draft.classes)
    unnamed = sum(not one.named for one in draft.classes)
    open_ = sum(proposal.is_open for proposal in draft.meaning.values())
    on_tree = f" on {draft.tree}" if draft.tree else "; the tree is to be chosen"
    names, meanings = counted(unnamed, "name"), counted(open_, "meaning")
    rows = [
        ("picture", layout.picture),
        ("label", f"{draft.label}  ({draft.encoding})"),
        *(
            [("no label", counted(layout.num_unlabelled, "picture"))]
            if layout.num_unlabelled
            else []
        ),
        *((split, counted(number, "picture")) for split, number in splits.items()),
        ("classes", f"{total}, in {draft.scan.files} of {counted(len(layout.pairs), 'label')}"),
        *(
            ("TODO", question.lstrip("# ").removeprefix("TODO: "))
            for question in draft.questions[:1]
        ),
        ("to do", f"{names} of {total}, {meanings} of {total}{on_tree}"),
    ]
    width = max(len(label) for label, _ in rows)
    lines = [f"{draft.name}: {counted(len(layout.pairs), 'picture')} with labels"]
    return "\n".join([*lines, *(f"  {label:<{width}}  {commented(text)}" for label, text in rows)])


def _what_next(draft: Draft, output: Path, tree: Path | None) -> str:
    """Say what is doubtful about the splits and the classes, and what to do with the mapping."""
    remarks = [one.removeprefix("TODO: ") for one in draft.split_remarks if one not in advice()]
    lines = [f"note: {commented(one)}" for one in [*remarks, *draft.class_remarks]]
    lines.append(f"{output} is written. Look at every guess, answer every TODO, then:")
    lines.append(f"  harmonize check {shlex.join(map(str, _to_check(output, tree)))}")
    return "\n".join(lines)


def _to_check(output: Path, tree: Path | None) -> list[Path]:
    """Return the files that `harmonize check` needs: the tree as well, if it is not found."""
    return [output] if tree is None or _found_by_name(tree, output) else [output, tree]


def _found_by_name(tree: Path, mapping: Path) -> bool:
    """Say whether `harmonize check` finds a tree where it looks for it."""
    beside, shipped = mapping.parent / f"{tree.stem}.txt", find_file(f"trees/{tree.stem}.txt")
    first = next((place for place in (beside, shipped) if place.is_file()), None)
    return first is not None and first.resolve() == find_file(str(tree)).resolve()
