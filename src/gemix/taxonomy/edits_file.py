"""taxonomy-edits.yaml: what people say about domains. Its contract, its reader, and how one entry of it is changed.

The file is the person's: a command changes the lines of its own entry as text, so that order and comments stay.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from gemix.runtime.errors import GemixError

FILE_NAME: Final = "taxonomy-edits.yaml"
SCHEMA: Final = 1
MAX_NAME: Final = 64  # characters
MAX_DESCRIPTION: Final = 1_000  # characters
_MAX_BYTES: Final = 4_000_000
_KEYS: Final = ("schema", "teacher", "domains", "set_aside")
FIELDS: Final = ("name", "description", "exclude", "merge")
Value = str | bool | int  # of a field
_ID: Final = re.compile(r"(?:domain-)?([0-9]{1,9})", re.IGNORECASE)
_TEXT_TAGS: Final = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp")}
_NULL: Final = "tag:yaml.org,2002:null"
_JOINERS: Final = "\u200c\u200d"  # scripts from Persian to Malayalam are spelt with them


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person says of one domain; None where nothing is said.

    Attributes:
        name: at most 64 characters, one line.
        description: at most 1,000 characters, one line.
        exclude: leave the domain out of mixtures.
        merge: the domain that this one is part of.
        domain: id of the partition before, of an edit that is set aside.
        line: where the entry begins in its file, from 1; 0 for an edit that is in no file yet.

    """

    name: str | None = None
    description: str | None = None
    exclude: bool | None = None
    merge: int | None = None
    domain: int | None = None
    line: int = field(default=0, compare=False)

    def said(self) -> dict[str, Value]:
        """Return what is said, by field."""
        return {key: value for key in FIELDS if (value := getattr(self, key)) is not None}


@dataclass(frozen=True, slots=True)
class Edits:
    """The content of a taxonomy-edits.yaml.

    Attributes:
        path: the file, for messages.
        teacher: fingerprint of the partition that the ids belong to; None where the file does not say.
        domains: edits by domain id, in the order of the file.
        set_aside: edits that another fit left without a domain, by name.

    """

    path: Path
    teacher: str | None = None
    domains: Mapping[int, Edit] = field(default_factory=dict)
    set_aside: Mapping[str, Edit] = field(default_factory=dict)

    def with_change(self, id: int, **change: Value) -> "Edits":
        """Return the edits with fields of one domain set.

        Raises:
            GemixError: a field is unknown, or a value is not allowed.

        """
        checked: dict[str, Any] = {key: check_value(key, value, "") for key, value in change.items()}
        return replace(self, domains={**self.domains, id: replace(self.domains.get(id, Edit()), line=0, **checked)})


def domain_label(id: int) -> str:
    """Return how a domain's id is shown, such as "domain-07"."""
    return f"domain-{id:02d}"


def parse_id(text: str) -> int | None:
    """Return the id of "7", "07" or "domain-07"; None for any other text."""
    found = _ID.fullmatch(text.strip())
    return int(found[1]) if found else None


def name_key(name: str) -> str:
    """Return what two names have in common that people would read as the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().translate(dict.fromkeys(map(ord, _JOINERS))).split())


def check_value(key: str, value: Value, where: str) -> Value:
    """Return the value of a field as it is kept: one line, without spaces around it.

    Args:
        key: "name", "description", "exclude" or "merge".
        value: as it was typed or read.
        where: file and line, before the sentence; "" for the command line.

    Raises:
        GemixError: the value is not allowed, or there is no such field.

    """
    if key not in FIELDS:
        raise GemixError(f"{where}{_unknown(key, FIELDS)}")
    if key == "exclude":
        if not isinstance(value, bool):
            raise GemixError(f"{where}exclude is true or false (without quotes), not {_shown(value)}")
        return value
    if key == "merge":
        id = parse_id(str(value))
        if isinstance(value, bool) or id is None:
            raise GemixError(f"{where}merge is the id of a domain such as 3, not {_shown(value)}")
        return id
    if not isinstance(value, str):
        raise GemixError(f"{where}the {key} is not a text")
    most = MAX_NAME if key == "name" else MAX_DESCRIPTION
    # A description may run over lines of a file; a name with a line break is no slip of the layout.
    text = value.strip() if key == "name" else " ".join(value.split())
    if not text:
        raise GemixError(f"{where}the {key} is empty")
    if len(text) > most:
        raise GemixError(f"{where}the {key} has {len(text):,} characters, at most {most:,} are shown everywhere")
    if len(text.splitlines()) > 1:
        raise GemixError(f"{where}the {key} runs over more than one line")
    if bad := next((c for c in text if _hidden(c)), None):
        raise GemixError(f"{where}the {key} holds the character U+{ord(bad):04X} ({_kind(bad)}), which cannot be seen")
    if not any(unicodedata.category(c)[0] in "LNS" for c in text):
        raise GemixError(f"{where}the {key} {_shown(text)} has neither a letter nor a symbol")
    if key == "name":
        if "<" in text or ">" in text:
            raise GemixError(f"{where}the name {_shown(text)} holds markup: write it without < and >")
        if parse_id(text) is not None:
            raise GemixError(f"{where}the name {_shown(text)} reads as the id of a domain: give a word")
    return text


def read_edits(path: Path) -> Edits:
    """Read a taxonomy-edits.yaml; a file that is not there holds no edits.

    Raises:
        GemixError: the first fault of the file, in one sentence with its line.

    """
    try:
        if not path.exists():
            return Edits(path)
        if path.stat().st_size > _MAX_BYTES:
            raise GemixError(f"{path} is larger than {_MAX_BYTES / 1e6:.0f} MB: it is no file of edits")
        data = path.read_bytes()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise GemixError(f"{path}, line {line}: not UTF-8, byte {data[error.start]:#04x}") from None
    return parse_edits(text, path)


def parse_edits(text: str, path: Path) -> Edits:
    """Return the edits in the text of a file; `path` is for messages.

    Raises:
        GemixError: the first fault, in one sentence with its line.

    """
    root = compose(text, path)
    if root is None:
        return Edits(path)
    top = {key: (name, node) for key, name, node in _pairs(root, path, "the file", _KEYS)}
    if "schema" in top:
        _check_schema(top["schema"][1], path)
    teacher = _text(top["teacher"][1], path, "teacher") if "teacher" in top else None
    domains: dict[int, Edit] = {}
    for key, name, node in _pairs(top["domains"][1], path, "domains") if "domains" in top else ():
        id = parse_id(key)
        if id is None:
            _fail(path, name, f"a domain's id is a whole number such as 7, not {_shown(key)}")
        if id in domains:
            _fail(path, name, f"domain {id} stands in line {domains[id].line} already")
        domains[id] = _edit(name, node, path, domain_label(id))
    aside: dict[str, Edit] = {}
    for key, name, node in _pairs(top["set_aside"][1], path, "set_aside") if "set_aside" in top else ():
        aside[key] = _edit(name, node, path, _shown(key), was=True)
    return Edits(path, teacher, domains, aside)


def compose(text: str, path: Path) -> yaml.Node | None:
    """Return the nodes of a YAML text with their places; nothing is constructed, so no tag can run anything.

    Raises:
        GemixError: the text is not one YAML document.

    """
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise GemixError(f"{where}: not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise GemixError(f"{path}, line {line}: not YAML: the character U+{ord(text[error.position]):04X}") from None
    except (RecursionError, ValueError, yaml.YAMLError):
        raise GemixError(f"{path}: not YAML that holds edits: nested too deeply") from None


def _check_schema(node: yaml.Node, path: Path) -> None:
    said = _text(node, path, "schema")
    if not re.fullmatch(r"[0-9]{1,9}", said) or int(said) < 1:
        _fail(path, node, f"schema is a whole number from 1, not {_shown(said)}")
    if int(said) > SCHEMA:
        _fail(path, node, f"schema {said} was written by a newer gemix, this one reads {SCHEMA}: update gemix")


def _edit(key: yaml.Node, node: yaml.Node, path: Path, what: str, was: bool = False) -> Edit:
    """Return the edit of one entry; `was`: with the id that it had."""
    found: dict[str, Any] = {}
    for name, at, value in _pairs(node, path, what, (*FIELDS, "domain") if was else FIELDS):
        where = f"{path}, line {at.start_mark.line + 1}: {what}: "
        if name == "domain":
            if (id := parse_id(_text(value, path, name))) is None:
                _fail(path, value, f"{what}: domain is a whole number")
            found[name] = id
        elif name == "exclude":
            truth = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
            said = _text(value, path, f"{what}: exclude")
            quoted = isinstance(value, yaml.ScalarNode) and value.style
            found[name] = check_value(name, said if quoted else truth.get(said.casefold(), said), where)
        else:
            found[name] = check_value(name, _text(value, path, f"{what}: the {name}"), where)
    return Edit(**found, line=key.start_mark.line + 1)


def _pairs(
    node: yaml.Node, path: Path, what: str, known: tuple[str, ...] | None = None
) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield key, the key's node and the value's; nothing for an empty value."""
    if node.tag == _NULL:
        return
    if not isinstance(node, yaml.MappingNode):
        _fail(path, node, f"{what} must hold `key: value` lines")
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _NULL:
            _fail(path, key, f"{what}: a key must be a word or a number")
        name = key.value
        if known and name not in known:
            _fail(path, key, f"{what}: {_unknown(name, known)}")
        if name in seen:
            _fail(path, key, f"{what}: {_shown(name)} stands in line {seen[name]} already")
        seen[name] = key.start_mark.line + 1
        yield name, key, value


def _text(node: yaml.Node, path: Path, what: str) -> str:
    """Return what is written, whatever YAML takes it for: a name may be `No` or `2001`."""
    if node.tag == _NULL:
        _fail(path, node, f"{what} is empty")
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXT_TAGS:
        _fail(path, node, f"{what} is not a text")
    return str(node.value)


def _fail(path: Path, node: yaml.Node, message: str) -> NoReturn:
    raise GemixError(f"{path}, line {node.start_mark.line + 1}: {message}")


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name.casefold(), known, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"no key {_shown(name)} is known; {hint}"


def _shown(value: object) -> str:
    """Return a value in quotes, short, its odd characters written out."""
    text = str(value)
    return ascii(text[:40] + "...") if len(text) > 40 else repr(text) if not any(map(_hidden, text)) else ascii(text)


def _hidden(c: str) -> bool:
    return c not in _JOINERS and (
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or yaml.reader.Reader.NON_PRINTABLE.search(c) is not None
    )


def _kind(c: str) -> str:
    return "a control character" if unicodedata.category(c) != "Cf" else unicodedata.name(c, "a mark").lower()
