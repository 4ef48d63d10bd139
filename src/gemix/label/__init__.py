"""Labels on every document: one shard -> one sidecar, and the launchers of that."""

from gemix.label.launch import LabelResult, label_corpus
from gemix.label.ranks import Rank, find_rank, in_a_world
from gemix.label.shard import label_shard
from gemix.label.totals import write_domains

__all__ = ["LabelResult", "Rank", "find_rank", "in_a_world", "label_corpus", "label_shard", "write_domains"]
