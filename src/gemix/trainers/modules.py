"""Trainers whose mixtures are Python: the text of a module with the weights in it."""

from collections.abc import Sequence

from gemix.runtime.errors import GemixError
from gemix.trainers.sources import Source

_HF_DATASETS = '''"""A mixture, written by gemix: import `load_mixture` from here."""

from datasets import interleave_datasets, load_dataset

# domain: (data files, probability of a document, the first documents that are read; None: all)
SOURCES = {sources}


def load_mixture(seed=0, streaming=True, stopping_strategy="all_exhausted"):
    """Return the interleaved dataset; a domain that runs out begins again until all have run out."""
    parts = []
    for files, _, first in SOURCES.values():
        kind = "parquet" if files.endswith(".parquet") else "json"
        part = load_dataset(kind, data_files=files, split="train", streaming=streaming)
        parts.append(part if first is None else part.take(first))
    probabilities = [probability for _, probability, _ in SOURCES.values()]
    return interleave_datasets(parts, probabilities, seed=seed, stopping_strategy=stopping_strategy)
'''

_TORCHTITAN = '''"""A mixture, written by gemix: use `dataloader` in a torchtitan configuration."""

from functools import partial

from datasets import load_dataset
from torchtitan.hf_datasets import DatasetConfig
from torchtitan.hf_datasets.text_datasets import DATASETS, HFDataSource, InterleavedHuggingFaceTextDataLoader

# domain: (data, token share, the first documents that are read; None: all)
SOURCES = {sources}


def _text(sample):
    return sample["text"]


def _load(path, first):
    data = load_dataset(path, split="train", streaming=True)
    return data if first is None else data.take(first)


for _name, (_path, _, _first) in SOURCES.items():
    DATASETS[_name.lower()] = DatasetConfig(
        path=_path, loader=partial(_load, first=_first), sample_processor=_text
    )

dataloader = InterleavedHuggingFaceTextDataLoader.Config(
    sources=[HFDataSource(dataset=name, infinite=True, weight=share) for name, (_, share, _) in SOURCES.items()]
)
'''

_LITGPT = '''"""A mixture, written by gemix: litgpt pretrain MODEL --data NAME_OF_THIS_MODULE.Mixture"""

from dataclasses import dataclass, field

from litgpt.data import DataModule

# domain: (folder written by litdata with TokensLoader, token share)
SOURCES = {sources}


@dataclass
class Mixture(DataModule):
    """Draws sequences of the domains by their shares.

    `val_data_path` is a folder of the same kind; without it validation reads the training data.
    """

    val_data_path: str | None = None
    seed: int = 42
    num_workers: int = 8

    batch_size: int = field(init=False, repr=False, default=1)
    seq_length: int = field(init=False, repr=False, default=2048)

    def __post_init__(self):
        super().__init__()

    def connect(self, tokenizer=None, batch_size=1, max_seq_length=None):
        self.batch_size = batch_size
        self.seq_length = (max_seq_length or 2047) + 1  # the targets are one token further

    def train_dataloader(self):
        from litdata.streaming import CombinedStreamingDataset

        parts = [self._part(path, shuffle=True) for path, _ in SOURCES.values()]
        shares = [share for _, share in SOURCES.values()]
        return self._loader(CombinedStreamingDataset(parts, seed=self.seed, weights=shares, iterate_over_all=False))

    def val_dataloader(self):
        if self.val_data_path is None:
            return self.train_dataloader()
        return self._loader(self._part(self.val_data_path, shuffle=False))

    def _part(self, path, shuffle):
        from litdata.streaming import StreamingDataset, TokensLoader

        loader = TokensLoader(block_size=self.seq_length)
        return StreamingDataset(path, item_loader=loader, shuffle=shuffle, drop_last=True, seed=self.seed)

    def _loader(self, dataset):
        from litdata.streaming import StreamingDataLoader

        return StreamingDataLoader(
            dataset, batch_size=self.batch_size, pin_memory=True, num_workers=self.num_workers, drop_last=True
        )
'''


def hf_datasets(sources: Sequence[Source]) -> str:
    """Return a module with `load_mixture`, which interleaves the domains."""
    return _fill(_HF_DATASETS, sources, with_pools=True)


def torchtitan(sources: Sequence[Source]) -> str:
    """Return a module that registers the domains and has a `dataloader` configuration."""
    names = [source.domain.lower() for source in sources]
    if len(set(names)) < len(names):
        raise GemixError(
            "torchtitan does not tell capital and small letters apart, and two domains differ in nothing else"
        )
    return _fill(_TORCHTITAN, sources, with_pools=True)


def litgpt(sources: Sequence[Source]) -> str:
    """Return a module with a `DataModule`."""
    return _fill(_LITGPT, sources)


def _fill(template: str, sources: Sequence[Source], with_pools: bool = False) -> str:
    facts = [(source.path, source.share, *([source.take] if with_pools else [])) for source in sources]
    lines = "".join(f"    {source.domain!r}: {fact!r},\n" for source, fact in zip(sources, facts, strict=True))
    return template.replace("{sources}", f"{{\n{lines}}}")
