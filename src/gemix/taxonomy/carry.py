"""Edits after another fit: each goes to the domain that holds its documents now, or is set aside, never lost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.taxonomy.edits_file import Edit, Edits, domain_label, read_edits
from gemix.taxonomy.edits_write import move

KEYS: Final = ("shard", "row")


def carry(
    edits: Edits,
    old_labels: NDArray[np.integer[Any]],
    new_labels: NDArray[np.integer[Any]],
    teacher: str,
    names: Sequence[str] = (),
) -> tuple[Edits, list[str]]:
    """Bring edits from one partition of the documents to another.

    An edit goes to the new domain that holds at least half of the old one's documents. Where two edits come to one
    domain, the one with more documents there has it. What has no domain is set aside by name.

    Args:
        edits: of the old partition.
        old_labels: (n,) ids of the documents in the old partition.
        new_labels: (n,) ids of the same documents, in the same order (see `align`), in the new one.
        teacher: fingerprint of the new partition.
        names: names of the old domains by id, for edits that give none.

    Returns:
        The edits of the new partition, and a sentence for each edit.

    Raises:
        ValueError: the labels differ in length.

    """
    if old_labels.shape != new_labels.shape or old_labels.ndim != 1:
        raise ValueError(f"labels of shapes {old_labels.shape} and {new_labels.shape} are not of the same documents")
    sizes: dict[int, int] = {}
    claims: list[tuple[int, int, int]] = []  # minus the documents in common, old id, new id
    best: dict[int, tuple[int, int]] = {}
    for id in edits.domains:
        found, counts = np.unique(new_labels[old_labels == id], return_counts=True)
        sizes[id] = int(counts.sum())
        if sizes[id]:
            best[id] = int(counts.max()), int(found[counts.argmax()])
        claims += [(-int(c), id, int(new)) for new, c in zip(found, counts, strict=True) if 2 * c >= sizes[id]]
    owners: dict[int, int] = {}  # new id -> old id
    homes: dict[int, tuple[int, int]] = {}  # old id -> documents in common, new id
    for common, id, new in sorted(claims):
        if id not in homes and new not in owners:
            owners[new], homes[id] = id, (-common, new)
    kept: dict[int, Edit] = {}
    merges = _merges(edits, old_labels, new_labels, homes)
    aside, notes = dict(edits.set_aside), []
    for id, edit in edits.domains.items():
        name = edit.name or (names[id] if id < len(names) else domain_label(id))
        if id in homes:
            common, new = homes[id]
            kept[new] = replace(edit, merge=merges.get(id))
            notes.append(
                f"the edit of {domain_label(id)} ({name}) is that of {domain_label(new)} now, which holds "
                f"{common:,} of its {sizes[id]:,} documents"
                + (", but no merge any more" if edit.merge is not None and id not in merges else "")
            )
            continue
        name = _free(name, aside)
        aside[name] = replace(edit, domain=id)
        notes.append(f"the edit of {domain_label(id)} is set aside as {name!r}: {_why(id, sizes, best, owners)}")
    return Edits(edits.path, teacher, kept, aside), notes


def align(old: pa.Table, new: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the domains of the documents that are in both partitions, aligned, (n,) each.

    Args:
        old: shard (string), row (integer) and domain (integer); a document is its shard and row.
        new: the same columns, rows in any order.

    Raises:
        GemixError: a column is missing, or a document stands twice in one of the tables.

    """
    tables = []
    for which, table in (("old", old), ("new", new)):
        missing = [name for name in (*KEYS, "domain") if name not in table.column_names]
        if missing:
            raise GemixError(f"the {which} partition has no column {missing[0]}")
        types = [pa.string(), pa.int64(), pa.int64()]
        columns = [table[name].cast(kind) for name, kind in zip((*KEYS, "domain"), types, strict=True)]
        documents = pa.table(columns, names=[*KEYS, which])
        if len(documents.group_by(list(KEYS)).aggregate([])) < len(documents):
            raise GemixError(f"the {which} partition holds a document twice")
        tables.append(documents)
    both = tables[0].join(tables[1], list(KEYS), join_type="inner")
    return both["old"].to_numpy().astype(np.int64), both["new"].to_numpy().astype(np.int64)


def carry_file(
    path: Path, old: pa.Table, new: pa.Table, *, old_teacher: str, teacher: str, names: Sequence[str] = ()
) -> list[str]:
    """Carry the edits of a file to another partition, atomically; call it before the old partition is replaced.

    A file that belongs to the new partition already (this was interrupted, or the fit is the same) stays as it is; ids
    in a file without a fingerprint are those of the old partition.

    Args:
        path: the taxonomy-edits.yaml.
        old: the old partition, see `align`.
        new: the new one.
        old_teacher: fingerprint of the old partition.
        teacher: fingerprint of the new one.
        names: names of the old domains by id.

    Returns:
        A sentence for each edit.

    Raises:
        GemixError: the file is damaged, belongs to neither partition or cannot be written, or the tables do not fit.

    """
    edits = read_edits(path)
    if not edits.domains or teacher == (edits.teacher or old_teacher):
        return []
    if edits.teacher not in (None, old_teacher):
        raise GemixError(
            f"{path}: its ids belong to a fit ({edits.teacher}) whose domains are not there any more; set `teacher` to "
            f"{old_teacher} once every id is right for the present domains"
        )
    wanted, notes = carry(edits, *align(old, new), teacher, names)
    lines = {edit.line: id for id, edit in edits.domains.items()}
    homes = {lines[edit.line]: new_id for new_id, edit in wanted.domains.items()}
    move(edits, wanted, homes)
    return notes


def _merges(
    edits: Edits,
    old_labels: NDArray[np.integer[Any]],
    new_labels: NDArray[np.integer[Any]],
    homes: dict[int, tuple[int, int]],
) -> dict[int, int]:
    """Return by old id the new domain that the carried merge of an edit is into.

    A merge into a domain that no new one holds half of, into the own domain, or in a circle, is none any more.
    """
    found: dict[int, int] = {}
    into: dict[int, int] = {}  # new id -> new id
    for id, edit in edits.domains.items():
        there = new_labels[old_labels == edit.merge] if edit.merge is not None and id in homes else old_labels[:0]
        if not len(there):
            continue
        ids, counts = np.unique(there, return_counts=True)
        target, own = int(ids[counts.argmax()]), homes[id][1]
        end = target
        while end in into:
            end = into[end]
        if 2 * counts.max() >= len(there) and end != own:
            found[id] = into[own] = target
    return found


def _free(name: str, taken: dict[str, Edit]) -> str:
    """Return the name, with a number behind it where it is taken."""
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name} ({n})"
    return free


def _why(id: int, sizes: dict[int, int], best: dict[int, tuple[int, int]], owners: dict[int, int]) -> str:
    if not sizes[id]:
        return "none of its documents is in both partitions"
    common, new = best[id]
    if 2 * common >= sizes[id]:
        return (
            f"{domain_label(new)} holds {common:,} of its {sizes[id]:,} documents, but took the edit of "
            + domain_label(owners[new])
        )
    return f"no domain holds half of its {sizes[id]:,} documents, {domain_label(new)} the most with {common:,}"
