"""Labels on every document: one shard -> one sidecar, and the launchers of that."""

from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.labels.launch import LabelResult, label_corpus
from gemix.labels.reading import Reading
from gemix.labels.shard import label_shard
from gemix.labels.totals import write_domains
from gemix.runtime.map import Launcher
from gemix.runtime.ranks import Rank, find_rank, in_a_world

__all__ = [
    "LabelResult",
    "LabelledCorpus",
    "Launcher",
    "Rank",
    "Reading",
    "find_rank",
    "in_a_world",
    "label_corpus",
    "label_shard",
    "open_labels",
    "write_domains",
]
