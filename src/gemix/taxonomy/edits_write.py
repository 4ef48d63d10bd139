"""Changes taxonomy-edits.yaml one entry at a time, as text: order, layout and comments of all else stay."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.taxonomy.edits_file import FIELDS, SCHEMA, Edit, Edits, Value, compose, parse_edits, parse_id, read_edits

_HEADER: Final = """\
# taxonomy-edits.yaml: what people say about the domains, by id. Written by `gemix taxonomy` or by hand; no re-run
# overwrites it. A command changes the lines of its own entry alone; `undo` removes an entry with the comments in it.
# A file whose layout is not like this one ({...}) is written anew, its comments first.
"""
_INDENT: Final = 2


def write_edit(path: Path, id: int, *, teacher: str | None = None, **change: Value) -> Edits:
    """Set fields of one domain's entry, atomically; as `write_edits`."""
    return write_edits(path, {id: change}, teacher)


def write_edits(path: Path, changes: Mapping[int, Mapping[str, Value]], teacher: str | None = None) -> Edits:
    """Set fields of domains' entries, atomically; the file is made where it is not there.

    Args:
        path: the taxonomy-edits.yaml.
        changes: by id of the domain name, description, exclude or merge.
        teacher: fingerprint of the partition that the ids belong to; kept in a file that has none yet.

    Returns:
        What the file holds now.

    Raises:
        GemixError: the file is damaged, belongs to another partition or cannot be written, or a value is not allowed.

    """
    edits = read_edits(path)
    check_teacher(edits, teacher)
    wanted = replace(edits, teacher=teacher or edits.teacher)
    for id, change in changes.items():
        wanted = wanted.with_change(id, **change)
    said = {id: wanted.domains[id].said() for id in changes}

    def revise(text: str) -> str:
        for id in (id for id in changes if id in edits.domains):
            for key in (key for key in FIELDS if key in changes[id]):
                text = _set_field(text, path, id, key, said[id])
        if new := {id: said[id] for id in changes if id not in edits.domains}:
            text = _append(text, path, "domains", new)
        return _set_top(text, path, "teacher", wanted.teacher)

    return commit(edits, wanted, revise)


def undo(path: Path, id: int | None = None) -> dict[int, Edit]:
    """Remove one domain's entry, or those of all domains, atomically; what is set aside stays.

    Returns:
        What was removed, by id.

    Raises:
        GemixError: the file is damaged or cannot be written.

    """
    edits = read_edits(path)
    gone = {k: edit for k, edit in edits.domains.items() if id is None or k == id}
    if gone:
        wanted = replace(edits, domains={k: edit for k, edit in edits.domains.items() if k not in gone})
        commit(edits, wanted, lambda text: _drop(text, path, gone))
    return gone


def move(edits: Edits, wanted: Edits, ids: Mapping[int, int]) -> Edits:
    """Write `wanted`: the entries of `ids` under their new ids, the others set aside, all atomically.

    Raises:
        GemixError: the file cannot be written.

    """

    def revise(text: str) -> str:
        for name, edit in wanted.set_aside.items():
            if name not in edits.set_aside:
                text = _append(text, edits.path, "set_aside", {name: _plain(edit)})
        text = _drop(text, edits.path, {id: edit for id, edit in edits.domains.items() if id not in ids})
        keys = [(key, ids[id]) for id, key, _ in _entries(text, edits.path)]
        for key, new in reversed(keys):
            text = text[: key.start_mark.index] + str(new) + text[key.end_mark.index :]
        for id, edit in wanted.domains.items():
            if edit.merge is not None:
                text = _set_field(text, edits.path, id, "merge", edit.said())
        return _set_top(text, edits.path, "teacher", wanted.teacher)

    return commit(edits, wanted, revise)


def check_teacher(edits: Edits, teacher: str | None) -> None:
    """Refuse edits whose ids belong to another partition.

    Raises:
        GemixError: they do.

    """
    if edits.domains and teacher and edits.teacher and teacher != edits.teacher:
        raise GemixError(
            f"{edits.path}: its ids belong to another fit of the teacher ({edits.teacher}, now {teacher}); `gemix fit` "
            "carries them to the new domains, or set `teacher` yourself once every id is right"
        )


def commit(edits: Edits, wanted: Edits, revise: Callable[[str], str]) -> Edits:
    """Write the revised text if it says what is wanted; else all of it anew, with its comments first.

    Raises:
        GemixError: the file cannot be written.

    """
    path = edits.path
    old = path.read_bytes().decode("utf-8-sig") if path.exists() else f"{_HEADER}schema: {SCHEMA}\n"
    end = "\r\n" if "\r\n" in old else "\n"
    old = old.replace("\r\n", "\n")
    new = ""
    try:
        new = revise(old if old.endswith("\n") else old + "\n")
        right = parse_edits(new, path) == wanted
    except (GemixError, ValueError, KeyError):  # of a layout that is not edited as text
        right = False
    if not right:
        new = "".join(comment + "\n" for comment in _comments(old)) + render(wanted)
    found = parse_edits(new, path)
    if found != wanted:  # never what a person did not say
        raise GemixError(f"{path}: this change cannot be written; make it by hand")
    write_text(path, new.replace("\n", end))
    return found


def render(edits: Edits) -> str:
    """Return the file of edits from nothing, without comments."""
    content: dict[str, Any] = {"schema": SCHEMA}
    if edits.teacher:
        content["teacher"] = edits.teacher
    content["domains"] = {id: _plain(edit) for id, edit in edits.domains.items()}
    if edits.set_aside:
        content["set_aside"] = {name: _plain(edit) for name, edit in edits.set_aside.items()}
    return _block(content)


def _comments(text: str) -> list[str]:
    """Return the comments of a YAML text: what begins with # between its tokens."""
    found, end = [], 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        found += re.findall("#.*", text[end : token.start_mark.index])
        end = token.end_mark.index
    return found


def _plain(edit: Edit) -> dict[str, Any]:
    return edit.said() | ({} if edit.domain is None else {"domain": edit.domain})


def _block(value: Any, column: int = 0) -> str:
    """Return a value as YAML in block style, one line a field, indented."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000_000, indent=_INDENT)
    return re.sub("^(?=.)", " " * column, text, flags=re.MULTILINE)


def _scalar(value: Value) -> str:
    return _block([value])[2:].rstrip("\n")


def _root(text: str, path: Path) -> yaml.MappingNode:
    root = compose(text, path)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("not block style")
    return root


def _child(node: yaml.Node, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _entries(text: str, path: Path) -> list[tuple[int, yaml.Node, yaml.Node]]:
    """Return id, key and value of every entry, in order."""
    found = _child(_root(text, path), "domains")
    if found is None or not isinstance(found[1], yaml.MappingNode):
        return []
    if found[1].flow_style and found[1].value:
        raise ValueError("not block style")
    return [(parse_id(key.value) or 0, key, value) for key, value in found[1].value]


def _after(text: str, key: yaml.Node, node: yaml.Node) -> int:
    """Return where the line behind a pair begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _after(text, *node.value[-1])
    end = max(node.end_mark.index, key.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return text.rfind("\n", 0, end) + 1  # such a text ends where the next line begins, or in its indentation
    return text.find("\n", end) + 1


def _append(text: str, path: Path, section: str, entry: dict[Any, Any]) -> str:
    """Return the text with an entry at the end of a section, which is made where it is not there."""
    root = _root(text, path)
    found = _child(root, section)
    if found is None:
        at = _after(text, *root.value[-1]) if root.value else len(text)
        return text[:at] + _block({section: entry}) + text[at:]
    key, node = found
    if isinstance(node, yaml.MappingNode) and node.flow_style and not node.value:  # {}
        text = text[: node.start_mark.index].rstrip(" ") + text[node.end_mark.index :]
        return _append(text, path, section, entry)
    column = node.start_mark.column if isinstance(node, yaml.MappingNode) else _INDENT
    at = _after(text, key, node)
    return text[:at] + _block(entry, column) + text[at:]


def _set_field(text: str, path: Path, id: int, field: str, said: Mapping[str, Value]) -> str:
    """Return the text with one field of one entry set; `said` is the whole entry as it is wanted."""
    value = said[field]
    entry = next((pair for k, *pair in _entries(text, path) if k == id), None)
    if entry is None:
        return _append(text, path, "domains", {id: {field: value}})
    key, node = entry
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        flow = yaml.safe_dump(dict(said), sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=True)
        return text[: node.start_mark.index] + flow.rstrip("\n") + text[node.end_mark.index :]
    found = _child(node, field)
    if found is None:
        nested = isinstance(node, yaml.MappingNode)
        column = node.start_mark.column if nested else key.start_mark.column + _INDENT
        at = _after(text, key, node)
        return text[:at] + _block({field: value}, column) + text[at:]
    old = found[1]
    end = old.end_mark.index
    if isinstance(old, yaml.ScalarNode) and old.style in ("|", ">"):
        end = text.rfind("\n", 0, end)
    return text[: old.start_mark.index] + _scalar(value) + text[end:]


def _set_top(text: str, path: Path, key: str, value: str | None) -> str:
    """Return the text with a top-level field set, above the domains where it is new."""
    root = _root(text, path)
    if value is None:
        return text
    if found := _child(root, key):
        node = found[1]
        return text[: node.start_mark.index] + _scalar(value) + text[node.end_mark.index :]
    schema = _child(root, "schema")
    at = _after(text, *schema) if schema else root.start_mark.index
    return text[:at] + _block({key: value}) + text[at:]


def _drop(text: str, path: Path, gone: Mapping[int, Edit]) -> str:
    """Return the text without the entries of these ids."""
    for id, key, node in reversed(_entries(text, path)):
        if id in gone:
            start = text.rfind("\n", 0, key.start_mark.index) + 1
            text = text[:start] + text[_after(text, key, node) :]
    return text
