"""People's words about domains, put over what the name stage found.

taxonomy.json stays as the name stage made it; `named_taxonomy` reads it with the edits of taxonomy-edits.yaml applied.
So an edit changes no file that a stage depends on, and undoing it needs nothing but its own lines gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from gemix.run.folder import RunFolder
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash
from gemix.taxonomy.edits_file import (
    FILE_NAME,
    Edit,
    Edits,
    Value,
    domain_label,
    name_key,
    parse_id,
    read_edits,
)
from gemix.taxonomy.edits_merge import check_merges, cut_merges, heads
from gemix.taxonomy.edits_write import check_teacher, commit, undo, write_edit, write_edits
from gemix.taxonomy.model import PERSON, Taxonomy, load_taxonomy

__all__ = [
    "Edit",
    "Edits",
    "apply",
    "check",
    "cut_run",
    "edit_run",
    "edits_path",
    "find_domain",
    "merge_run",
    "named_taxonomy",
    "partition_fingerprint",
    "read_edits",
    "undo",
    "undo_run",
    "write_edit",
]


def edits_path(root: Path) -> Path:
    """Return where the edits of a run are."""
    return root / FILE_NAME


def partition_fingerprint(root: Path) -> str:
    """Return what tells the partition of a run, to which domain ids belong, from any other.

    Raises:
        GemixError: the run has none.

    """
    return content_hash(RunFolder(root).partition)


def check(edits: Edits, taxonomy: Taxonomy) -> None:
    """Check edits against the domains that they are about.

    Raises:
        GemixError: a domain that is not there, a name that another domain or a group of the tree has, or merges that
            cannot be (see `check_merges`); the sentence has file and line.

    """
    count = len(taxonomy.domains)
    for id, edit in edits.domains.items():
        if id >= count:
            last = f"the domains are 0 to {count - 1}"
            raise GemixError(f"{_where(edits, edit)}there is no domain {id}; {last}")
    check_merges(edits, count)
    said = {id: edit.name for id, edit in edits.domains.items() if edit.name is not None}
    others = [(name_key(d.name), domain_label(d.id), d.name) for d in taxonomy.domains if d.id not in said]
    if taxonomy.tree is not None:
        others += [(name_key(node.name), f"the group {node.id} of the tree", node.name) for node in taxonomy.tree.nodes]
    holders = {key: (holder, name) for key, holder, name in others}
    for id, name in said.items():
        if held := holders.get(name_key(name)):
            holder, theirs = held
            raise GemixError(
                f"{_where(edits, edits.domains[id])}{domain_label(id)} cannot be called {name!r}: "
                f"{holder} has the name {theirs!r}"
            )
        holders[name_key(name)] = domain_label(id), name


def apply(taxonomy: Taxonomy, edits: Edits) -> Taxonomy:
    """Return the taxonomy with people's names, descriptions, exclusions and merges; `check` the edits first.

    Who gives a name is its author: `named_by` becomes "person". A description alone leaves it as it is.
    """
    domains = []
    head = heads(edits.domains, len(taxonomy.domains))
    for domain in taxonomy.domains:
        edit = edits.domains.get(domain.id, Edit())
        change: dict[str, Value | None] = {"excluded": bool(edit.exclude)}
        change["merged_into"] = int(head[domain.id]) if head[domain.id] != domain.id else None
        if edit.name is not None:
            change |= {"name": edit.name, "named_by": PERSON}
        if edit.description is not None:
            change["description"] = edit.description
        domains.append(domain.model_copy(update=change))
    return taxonomy.model_copy(update={"domains": domains})


def named_taxonomy(root: Path) -> Taxonomy:
    """Return the domains of a run as people see them: taxonomy.json with taxonomy-edits.yaml applied.

    Raises:
        GemixError: one of the files is damaged, or the edits do not fit the domains.

    """
    taxonomy, edits = _read(root)
    return apply(taxonomy, edits)


def find_domain(taxonomy: Taxonomy, wanted: str) -> int:
    """Return the id of a domain that is given as 7, domain-07 or by its present name.

    Raises:
        GemixError: there is none, or there are several.

    """
    id = parse_id(wanted)
    found = {id} if id is not None and id < len(taxonomy.domains) else set()
    named = {domain.id for domain in taxonomy.domains if domain.name == wanted.strip()}
    found |= named or {domain.id for domain in taxonomy.domains if name_key(domain.name) == name_key(wanted)}
    if len(found) == 1:
        return found.pop()
    if found:
        them = " and ".join(f"{domain_label(k)} ({taxonomy.domains[k].name})" for k in sorted(found))
        raise GemixError(f"{wanted!r} may be {them}: give the id of one, such as {domain_label(min(found))}")
    by_key = {name_key(domain.name): domain.name for domain in taxonomy.domains}
    near = get_close_matches(name_key(wanted), list(by_key), 3, 0.5)
    hint = f"; did you mean {' or '.join(repr(by_key[key]) for key in near)}?" if near else ""
    shown = wanted if len(wanted) <= 64 else wanted[:61] + "..."
    raise GemixError(f"no domain {shown!r}: give an id from 0 to {len(taxonomy.domains) - 1} or a name{hint}")


def edit_run(root: Path, domain: str, **change: Value) -> tuple[Taxonomy, Taxonomy, int]:
    """Set fields of one domain of a run, whose lock the caller holds; `gemix.chain.names` shows the new ones.

    Args:
        root: the run folder.
        domain: id or present name, see `find_domain`.
        **change: name, description or exclude.

    Returns:
        The domains before and after, and the id of the one that was changed.

    Raises:
        GemixError: no such domain, a value that is not allowed, a name that is taken, or a damaged file; nothing is
            written then.

    """
    taxonomy, edits = _read(root)
    before = apply(taxonomy, edits)
    id = find_domain(before, domain)
    check(edits.with_change(id, **change), taxonomy)
    edits = write_edit(edits_path(root), id, teacher=partition_fingerprint(root), **change)
    return before, apply(taxonomy, edits), id


def merge_run(root: Path, into: str, others: Sequence[str]) -> tuple[Taxonomy, int, list[int]]:
    """Make domains of a run part of another, whose lock the caller holds; no label changes.

    Args:
        root: the run folder.
        into: id or present name of the domain that the others join.
        others: theirs.

    Returns:
        The domains after it, the id that they joined, and theirs.

    Raises:
        GemixError: no such domain, a merge that cannot be, or a damaged file; nothing is written then.

    """
    taxonomy, edits = _read(root)
    now = apply(taxonomy, edits)
    target, ids = find_domain(now, into), [find_domain(now, other) for other in others]
    changes = {id: {"merge": target} for id in ids}
    return _write(root, taxonomy, edits, changes), target, ids


def cut_run(root: Path, nodes: int) -> Taxonomy:
    """Make the domains under each of `nodes` nodes of the tree part of its largest; earlier merges are replaced.

    Raises:
        GemixError: no tree, a number that it cannot be cut into, or a damaged file; nothing is written then.

    """
    taxonomy, edits = _read(root)
    merges = cut_merges(taxonomy, nodes)
    bare = {id: replace(edit, merge=None) for id, edit in edits.domains.items()}
    without = replace(edits, domains={id: edit for id, edit in bare.items() if edit.said()})
    changes = {id: {"merge": into} for id, into in merges.items()}
    if without == edits:
        return _write(root, taxonomy, edits, changes)
    wanted = replace(_changed(without, changes), teacher=partition_fingerprint(root))
    check(wanted, taxonomy)
    return apply(taxonomy, commit(edits, wanted, lambda _: ""))  # fields go: the file is written anew


def _write(root: Path, taxonomy: Taxonomy, edits: Edits, changes: Mapping[int, Mapping[str, Value]]) -> Taxonomy:
    check(_changed(edits, changes), taxonomy)
    return apply(taxonomy, write_edits(edits_path(root), changes, partition_fingerprint(root)))


def _changed(edits: Edits, changes: Mapping[int, Mapping[str, Value]]) -> Edits:
    for id, change in changes.items():
        edits = edits.with_change(id, **change)
    return edits


def undo_run(root: Path, domain: str | None) -> dict[int, Edit]:
    """Remove what was said of one domain of a run, or of all, and return it.

    Raises:
        GemixError: no such domain, the names that come back are taken, or a damaged file; nothing is written then.

    """
    taxonomy, edits = _read(root)
    id = None if domain is None else find_domain(apply(taxonomy, edits), domain)
    left = {} if id is None else {k: edit for k, edit in edits.domains.items() if k != id}
    check(Edits(edits.path, edits.teacher, left), taxonomy)
    return undo(edits_path(root), id)


def _read(root: Path) -> tuple[Taxonomy, Edits]:
    """Return the domains as the name stage found them, and the edits, which fit them."""
    taxonomy, edits = load_taxonomy(root), read_edits(edits_path(root))
    if edits.domains:
        if edits.teacher:
            check_teacher(edits, partition_fingerprint(root))
        check(edits, taxonomy)
    return taxonomy, edits


def _where(edits: Edits, edit: Edit) -> str:
    return f"{edits.path}, line {edit.line}: " if edit.line else ""
