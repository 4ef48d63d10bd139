"""Labels on every document: one shard -> one sidecar, and the launchers of that."""

from gemix.label.local import LabelResult, label_corpus
from gemix.label.shard import label_shard
from gemix.label.totals import write_domains

__all__ = ["LabelResult", "label_corpus", "label_shard", "write_domains"]
