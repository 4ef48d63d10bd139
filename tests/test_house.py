"""The house: what lies where, and how long a file, a function and a list of arguments may be."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "gemix"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 350  # of a file
MOST_LINES_OF_FUNCTION = 60
MOST_ARGUMENTS = 8
REASON = re.compile(r"#(?! *(noqa|type: ignore))")


def shown(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def test_nothing_but_the_two_lies_at_the_root() -> None:
    strays = [shown(path) for path in FILES if path.parent == PACKAGE and path.stem not in ("__init__", "__main__")]
    assert not strays, f"{', '.join(strays)}: a file lies in a room, not at the root of the package"


def test_no_file_imports_the_package_that_it_lies_in() -> None:
    """With the contracts in pyproject.toml this rules out circles: they compare the files of a room, not the room."""
    circles = []
    for path in FILES:
        around = {
            ".".join(part.relative_to(PACKAGE.parent).parts)
            for part in path.parents
            if PACKAGE in (part, *part.parents)
        }
        if path.stem == "__init__":
            around.discard(".".join(path.parent.relative_to(PACKAGE.parent).parts))
        if path.is_relative_to(PACKAGE / "cli") or path.stem == "__main__":
            around.discard("gemix")  # nothing imports the command line, so it may show what the package says of itself
        circles += [f"{shown(path)}:{line} imports {name}" for line, name in imports(path) if name in around]
    assert not circles, f"{'; '.join(circles)}: import from the file that holds it, not from the package around it"


def test_files_are_short() -> None:
    long = [f"{shown(path)} has {n}" for path in FILES if (n := len(path.read_text().splitlines())) > MOST_LINES]
    assert not long, f"a file has at most {MOST_LINES} lines: {', '.join(long)}"


def test_functions_are_short_or_say_why_not() -> None:
    found = [text for path in FILES if not path.is_relative_to(PACKAGE / "cli") for text in large_functions(path)]
    assert not found, (
        f"a function has at most {MOST_LINES_OF_FUNCTION} lines and {MOST_ARGUMENTS} arguments, or a comment with the "
        f"reason beside its def:\n" + "\n".join(found)
    )


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and package or module of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{shown(path)}:{node.lineno}: imports are absolute"
            for alias in node.names:
                # A file or a folder of the package is imported for itself.
                where = PACKAGE.parent.joinpath(*(node.module or "").split("."), alias.name)
                is_module = where.is_dir() or where.with_suffix(".py").exists()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module or ""


@cache
def estimators() -> set[str]:
    """Return the names of the classes that derive from scikit-learn's BaseEstimator, by way of others too."""
    classes = [
        node for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    ]
    known: set[str] = set()
    while found := {
        node.name
        for node in classes
        if node.name not in known
        and {ast.unparse(base).split(".")[-1] for base in node.bases} & {"BaseEstimator", *known}
    }:
        known |= found
    return known


def large_functions(path: Path) -> Iterator[str]:
    """Yield a line on every function that is too long or takes too much, and gives no reason."""
    text = path.read_text()
    lines, tree = text.splitlines(), ast.parse(text)
    constructors = {
        id(function)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name in estimators()
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or id(node) in constructors:
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        count = sum(argument is not None and argument.arg not in ("self", "cls") for argument in arguments)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        beside = (lines[node.lineno - 1], lines[first - 2].strip() if first > 1 else "")
        has_reason = REASON.search(beside[0]) or beside[1].startswith("#")
        if (length > MOST_LINES_OF_FUNCTION or count > MOST_ARGUMENTS) and not has_reason:
            yield f"{shown(path)}:{node.lineno} {node.name}: {length} lines, {count} arguments"
