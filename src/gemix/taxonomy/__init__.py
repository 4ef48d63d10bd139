"""From clusters to a taxonomy: influence scores, representatives, keywords, names and a tree."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.taxonomy.build import build_taxonomy
    from gemix.taxonomy.cache import AnswerCache
    from gemix.taxonomy.edits import named_taxonomy
    from gemix.taxonomy.gis import influence_scores
    from gemix.taxonomy.llm import ChatModel
    from gemix.taxonomy.model import Domain, Node, Representative, Taxonomy, Tree, load_taxonomy
    from gemix.taxonomy.namer import LLMNamer
    from gemix.taxonomy.tree import cut

# Who reads a taxonomy needs nothing of what makes one.
_FILES: Final = {
    "AnswerCache": "cache",
    "ChatModel": "llm",
    "Domain": "model",
    "LLMNamer": "namer",
    "Node": "model",
    "Representative": "model",
    "Taxonomy": "model",
    "Tree": "model",
    "build_taxonomy": "build",
    "cut": "tree",
    "influence_scores": "gis",
    "load_taxonomy": "model",
    "named_taxonomy": "edits",
}
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
    "named_taxonomy",
]
__getattr__ = offered(__name__, _FILES, "train")
