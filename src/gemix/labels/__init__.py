"""Labels on every document: one shard -> one sidecar, and the launchers of that."""

from gemix.labels.launch import LabelResult, label_corpus
from gemix.labels.reading import Reading
from gemix.labels.shard import label_shard
from gemix.labels.totals import write_domains
from gemix.runtime.map import Launcher
from gemix.runtime.ranks import Rank, find_rank, in_a_world

__all__ = [
    "LabelResult",
    "Launcher",
    "Rank",
    "Reading",
    "find_rank",
    "in_a_world",
    "label_corpus",
    "label_shard",
    "write_domains",
]
