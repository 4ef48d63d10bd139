"""A demo corpus of real text without a download: the documentation that is already on the machine.

It holds the docstrings of the standard library and of the packages installed beside gemix, read from source files:
nothing is imported, nothing is run.
"""

import ast
import gc
import hashlib
import inspect
import os
import sys
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress

MIN_CHARACTERS = 300
_SKIPPED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


class DemoDocument(NamedTuple):
    """One docstring; `id` is "module:qualified name", or "module" for the module's own."""

    id: str
    text: str
    package: str
    object: str


def write_demo_corpus(folder: Path, shards: int = 4) -> list[Path]:
    """Write the demo corpus as `folder/docstrings-<i>.jsonl.zst` and return the paths.

    Rows have id, text, package ("python" for the standard library) and object (the qualified name in its module, or the
    module). The same installation gives the same bytes. Source files that cannot be parsed are counted on standard
    error.

    Raises:
        GemixError: no documentation on this machine, or the folder cannot be written.

    """
    documents, unparsed = collect_docstrings(source_files())
    if not documents:
        raise GemixError("no docstring found: this Python has no source files of its library or its packages")
    packages = len({document.package for document in documents})
    skipped = f"; {unparsed:,} source files could not be parsed" if unparsed else ""
    print(f"demo corpus: {len(documents):,} docstrings of {packages:,} packages{skipped}", file=sys.stderr)
    paths = [folder / f"docstrings-{i}.jsonl.zst" for i in range(shards)]
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_path(path)) for path in paths]
        for i, tmp in enumerate(files):
            lines = b"".join(msgspec.json.encode(d._asdict()) + b"\n" for d in documents[i::shards])
            tmp.write_bytes(zstandard.compress(lines, 9))
    return paths


def source_files() -> list[tuple[str, str, Path]]:
    """Return (module, package, file) of the standard library and the installed packages, in a fixed order.

    Bundled copies come last, so that of equal texts the original is the one kept.
    """
    found = set()
    for kind in ("stdlib", "purelib", "platlib"):
        root = Path(sysconfig.get_path(kind))
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
            for path in (Path(folder, file) for file in files if file.endswith(".py")):
                parts = path.relative_to(root).with_suffix("").parts
                module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                package = "python" if kind == "stdlib" else parts[0]
                if parts[0] != "gemix":
                    found.add(("_vendor" in parts, kind != "stdlib", module, package, path))
    return [entry[2:] for entry in sorted(found)]


def collect_docstrings(files: list[tuple[str, str, Path]]) -> tuple[list[DemoDocument], int]:
    """Return the docstrings of at least `MIN_CHARACTERS`, each text once, and how many files could not be parsed."""
    documents = []
    unparsed = 0
    seen: set[bytes] = set()
    with progress("read documentation", len(files), "files") as advance, _parsing():
        for module, package, file in files:
            advance(1)
            try:
                with tokenize.open(file) as source:
                    code = source.read()
                # Long docstrings are triple-quoted: a fifth of all files need no parsing.
                tree = ast.parse(code if '"""' in code or "'''" in code else "")
            except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
                unparsed += 1
                continue
            for name, docstring in _docstrings(tree):
                text = inspect.cleandoc(docstring)
                if len(text) < MIN_CHARACTERS or not _encodable(text):
                    continue
                digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
                if digest not in seen:
                    seen.add(digest)
                    doc_id = f"{module}:{name}" if name else module
                    documents.append(DemoDocument(doc_id, text, package, name or module))
    return documents, unparsed


@contextmanager
def _parsing() -> Iterator[None]:
    """Silence other people's invalid escapes; pause the garbage collector: trees hold no cycles, it only costs time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if collects:
            gc.enable()


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, raw docstring) of a module and all that is defined in it, in source order."""
    stack: list[tuple[tuple[str, ...], ast.AST]] = [((), tree)]
    while stack:
        names, node = stack.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = (*names, node.name)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield ".".join(names), docstring
        # Definitions are statements: expressions need no visit.
        children = [child for part in _BLOCKS for child in getattr(node, part, ())]
        stack.extend((names, child) for child in reversed(children))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
