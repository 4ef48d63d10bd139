"""The public Python API is what docs/api.md lists: page and code are compared."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOMS = (
    "runtime", "corpus", "tokens", "sphere", "mix", "run", "embed", "taxonomy", "student", "labels", "proxy",
    "trainers", "sample", "chain",
)  # fmt: skip
MODULES = ["gemix", *(f"gemix.{room}" for room in ROOMS)]
PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def summary(thing: Any) -> str:
    """Return the first sentence of what a thing says of itself; of a constant, what it is."""
    text = (inspect.getdoc(thing) or "") if callable(thing) or inspect.ismodule(thing) else ""
    first = " ".join(text.partition("\n\n")[0].split())
    return first or type(thing).__name__


def listing(module: str) -> str:
    found = import_module(module)
    return "\n".join(f"- `{name}`: {summary(getattr(found, name))}" for name in sorted(found.__all__))


@pytest.mark.parametrize("module", MODULES)
def test_the_page_lists_what_the_code_offers(module: str) -> None:
    sections = dict(re.findall(r"^## `([\w.]+)`\n\n(.*?)(?=\n\n## |\Z)", PAGE.read_text().rstrip(), re.M | re.S))
    assert list(sections) == MODULES
    assert sections[module] == listing(module)


@pytest.mark.parametrize("module", MODULES)
def test_what_is_offered_is_described_and_typed(module: str) -> None:
    found = import_module(module)
    for name in found.__all__:
        thing = getattr(found, name)
        if inspect.isfunction(thing):
            assert thing.__doc__, name
            parameters = inspect.signature(thing).parameters.values()
            untyped = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
            assert not untyped, f"{module}.{name} has no types for {untyped}"
            returned = inspect.signature(thing).return_annotation
            assert returned is not inspect.Signature.empty, f"{module}.{name} does not say what it returns"
        elif inspect.isclass(thing):
            assert thing.__doc__, name


@pytest.mark.parametrize("module", MODULES)
def test_no_name_is_hidden_by_the_file_of_the_same_name(module: str) -> None:
    found = import_module(module)
    files = {path.stem for path in Path(found.__file__ or "").parent.glob("*.py")}
    assert not {name for name in set(found.__all__) & files if not inspect.ismodule(getattr(found, name))}


@pytest.mark.parametrize("module", MODULES)
def test_names_that_load_on_demand_have_their_types(module: str) -> None:
    """A type checker sees what is imported for it; `__getattr__` alone would make every name Any."""
    found = import_module(module)
    if not hasattr(found, "__getattr__"):
        return
    tree = ast.parse(Path(found.__file__ or "").read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typed = {
        alias.name
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(found.__all__)
    assert set(found._FILES) == set(found.__all__)


def test_a_name_that_is_not_offered_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        import_module("gemix.corpus").nonsense  # noqa: B018
