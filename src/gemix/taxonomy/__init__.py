"""From clusters to a taxonomy: influence scores, representatives, keywords, names and a tree."""

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
