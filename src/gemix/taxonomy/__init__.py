"""From clusters to a taxonomy: influence scores, representatives, keywords, names and a tree."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gemix.taxonomy.build import build_taxonomy
    from gemix.taxonomy.cache import AnswerCache
    from gemix.taxonomy.gis import influence_scores
    from gemix.taxonomy.llm import ChatModel
    from gemix.taxonomy.model import Domain, Node, Representative, Taxonomy, Tree, load_taxonomy
    from gemix.taxonomy.namer import LLMNamer
    from gemix.taxonomy.tree import cut

__all__ = [
    "AnswerCache",
    "ChatModel",
    "Domain",
    "LLMNamer",
    "Node",
    "Representative",
    "Taxonomy",
    "Tree",
    "build_taxonomy",
    "cut",
    "influence_scores",
    "load_taxonomy",
]
_FILES: Final = {
    "AnswerCache": "cache",
    "ChatModel": "llm",
    "LLMNamer": "namer",
    "build_taxonomy": "build",
    "cut": "tree",
    "influence_scores": "gis",
}


def __getattr__(name: str) -> Any:
    """Load the file of a name on first use: who reads a taxonomy needs nothing of what makes one."""
    if name not in __all__:
        raise AttributeError(f"module 'gemix.taxonomy' has no attribute {name!r}")
    return getattr(import_module(f"gemix.taxonomy.{_FILES.get(name, 'model')}"), name)
