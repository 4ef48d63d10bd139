"""Labels on every document: one shard -> one sidecar, and the launchers of that."""

from gemix.label.local import LabelResult, label_corpus
from gemix.label.shard import label_shard

__all__ = ["LabelResult", "label_corpus", "label_shard"]
