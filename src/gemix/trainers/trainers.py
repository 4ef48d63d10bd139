"""One trainer, one small file: what each of them reads, as text."""

import glob
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from gemix.runtime.errors import GemixError
from gemix.trainers import modules
from gemix.trainers.sources import Source, Unit

Writer = Callable[[Sequence[Source]], str]
TOLERANCE: Final = 0.01  # a share that is moved by more of itself is worth a word
_SLACK: Final = 1.01
_BLOCKS: Final = tuple(1 << n for n in range(11, 16))  # sizes of levanter's blocks: 2,048 unless told, below 2^16


@dataclass(frozen=True)
class Trainer:
    """How a trainer is told a mixture.

    Attributes:
        writers: the text of its file, by the suffix that the file must have; "" stands for any.
        tested: the release whose own code reads the file in the tests; "" where only the form is compared.
        draws: what it draws by weight: documents, or sequences of one length, which are tokens.
        paths: where it looks for a domain's data unless told otherwise.
        reads: what it is told of data that gemix wrote, by their layout: a path with {file} or {folder}.
        rounded: the token shares that it really draws, where that is not what it is told.

    """

    writers: dict[str, Writer]
    tested: str
    draws: Unit = "tokens"
    paths: str = "data/{domain}"
    reads: dict[str, str] = field(default_factory=dict)
    rounded: Callable[[Sequence[Source]], list[float]] | None = None

    def drawn(self, sources: Sequence[Source]) -> list[float]:
        """Return the share of every domain in the tokens that the trainer draws, by its own rule."""
        return [source.weight for source in sources] if self.rounded is None else self.rounded(sources)

    def writer(self, suffix: str) -> Writer:
        """Return what writes a file with this suffix.

        Raises:
            GemixError: the trainer reads no such file.

        """
        found = self.writers.get(suffix) or self.writers.get("")
        if found is None:
            raise GemixError(f"the file must end in {' or '.join(self.writers)}, not in {suffix!r}")
        return found


def _megatron(sources: Sequence[Source]) -> str:
    """Pairs of weight and prefix; Megatron splits the file at white space."""
    for _, path in _blend(sources):
        if path.split() != [path]:
            raise GemixError(f"megatron splits its list at white space, so no path may hold any: {path!r}")
    return "".join(f"{share!r} {path}\n" for share, path in _blend(sources))


def _nemo(sources: Sequence[Source]) -> str:
    """Write the zipped list that `paths` of NeMo's pre-training data modules takes."""
    return _json([item for share, path in _blend(sources) for item in (repr(share), path)])


def _blend(sources: Sequence[Source]) -> list[tuple[float, str]]:
    """Return share and path of every file: a domain of several files has its share divided by their tokens."""
    return [(source.share * place.share, place.path) for source in sources for place in source.places]


def _mosaicml_streaming(sources: Sequence[Source]) -> str:
    """Write the arguments of one `Stream` a domain."""
    return _yaml([_stream(source) for source in sources])


def _stream(source: Source) -> dict[str, Any]:
    return {"remote" if "://" in source.path else "local": source.path, "proportion": source.share}


def _hf_datasets(sources: Sequence[Source]) -> str:
    """Write the data files of every domain and, in their order, the `probabilities` of `interleave_datasets`."""
    data = {source.domain: source.path for source in sources}
    return _json({"data_files": data, "probabilities": [source.share for source in sources]})


def _olmo_core(sources: Sequence[Source]) -> str:
    """Write a `SourceMixtureList`."""
    entries = [
        {
            "source_name": source.domain,
            "target_ratio": source.share,
            "paths": [place.path for place in source.places],
            "max_repetition_ratio": _most(source),
        }
        for source in sources
    ]
    return _yaml({"sources": entries})


def _olmix(sources: Sequence[Source]) -> str:
    """Write the parts `data.sources` and `mix` of a launch configuration."""
    for source in sources:
        if ":" in source.domain:
            raise GemixError(f"olmix reads a colon as source:topic, so no domain may have one: {source.domain!r}")
    data = [{"name": source.domain, "paths": [place.path for place in source.places]} for source in sources]
    mix = {source.domain: {"weight": source.share, "repetition_factor": _most(source)} for source in sources}
    return _yaml({"data": {"sources": data}, "mix": mix})


def _most(source: Source) -> float:
    """Return how often a source may be repeated: OLMo-core stops where a source falls short by a token."""
    return max(1.0, source.repetition, _SLACK * (source.epochs or 0.0))


def _levanter(sources: Sequence[Source]) -> str:
    """Write the part `data` of a configuration, which Marin's are, too."""
    counts, block = _blocks(sources)
    components = {
        source.domain: {"source": {"type": "url", "train_urls": [place.path for place in source.places]}}
        for source in sources
    }
    weights = {source.domain: count / block for source, count in zip(sources, counts, strict=True)}
    return _yaml({"data": {"components": components, "train_weights": weights, "mixture_block_size": block}})


def _blocks(sources: Sequence[Source]) -> tuple[list[int], int]:
    """Return the sequences of every domain in a block of levanter's, and the size of a block.

    In every block a domain has its weight times the size, rounded down; what is left over goes to the largest. So the
    size is the smallest power of two, from levanter's own on, at which shares move by less than 1 % of themselves, and
    the weights are whole numbers of sequences.

    Raises:
        GemixError: a weight is too small for the largest block.

    """
    for block in _BLOCKS:
        counts = _whole([source.share for source in sources], block)
        if all(abs(n / block / source.share - 1) < TOLERANCE for n, source in zip(counts, sources, strict=True)):
            break
    for n, source in zip(counts, sources, strict=True):
        if not n:
            raise GemixError(
                f"levanter draws blocks of at most {block:,} sequences, and {source.domain!r} with a weight of "
                f"{source.share:.2g} would be in none: give it at least {1 / block:.2g}, or 0"
            )
    return counts, block


def _whole(shares: Sequence[float], total: int) -> list[int]:
    """Return whole numbers in these proportions that sum to `total`: the largest remainders are rounded up."""
    exact = [share * total for share in shares]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda k: counts[k] - exact[k])
    for k in by_remainder[: total - sum(counts)]:
        counts[k] += 1
    return counts


def _levanter_draws(sources: Sequence[Source]) -> list[float]:
    counts, block = _blocks(sources)
    return [n / block for n in counts]


def _regmix(sources: Sequence[Source]) -> str:
    """Weights by the prefix of their files; each `valid` entry is a validation set of its own.

    RegMix takes all files that match the prefix and a star, so what a star means elsewhere is escaped.
    """
    prefixes = [source.path for source in sources]
    for prefix in prefixes:
        also = [other for other in prefixes if other != prefix and other.startswith(prefix)]
        if also:
            raise GemixError(
                f"regmix takes all files that begin with {prefix!r}, those of {also[0]!r} too; "
                'end the prefixes alike, for example --paths "train_{domain}_"'
            )
        if not prefix.startswith("train_"):
            raise GemixError(f"regmix's files of training data begin with train_, not {prefix!r}")
    valid = {glob.escape(f"valid_{prefix.removeprefix('train_')}"): 1.0 for prefix in prefixes}
    return _yaml({"train": {glob.escape(source.path): source.share for source in sources}, "valid": valid})


def _doremi(sources: Sequence[Source]) -> str:
    weights = {source.path: source.share for source in sources}
    return _json({"train_domain_weights": weights, "eval_domain_weights": weights})


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_LINES: Final = {"jsonl.zst": "{folder}/*.jsonl.zst", "parquet": "{folder}/*.parquet"}
TRAINERS: dict[str, Trainer] = {
    "megatron": Trainer({"": _megatron}, "megatron-core 0.16.1", reads={"megatron": "{file}"}),
    "nemo": Trainer({".json": _nemo}, "nemo-automodel 0.7.0", reads={"megatron": "{file}"}),
    "mosaicml-streaming": Trainer(
        {"": _mosaicml_streaming}, "mosaicml-streaming 0.13.0", draws="documents", reads={"mds": "{folder}"}
    ),
    "hf-datasets": Trainer(
        {".json": _hf_datasets, ".py": modules.hf_datasets},
        "datasets 5.2.0",
        draws="documents",
        paths="data/{domain}/*.jsonl.zst",
        reads=_LINES,
    ),
    "torchtitan": Trainer(
        {".py": modules.torchtitan}, "torchtitan 0.3.0", reads={"jsonl.zst": "{folder}", "parquet": "{folder}"}
    ),
    "olmo-core": Trainer(
        {"": _olmo_core}, "ai2-olmo-core 3.0.0", paths="data/{domain}/*.npy", reads={"olmo-core": "{file}"}
    ),
    "olmix": Trainer({"": _olmix}, "", paths="data/{domain}/*.npy", reads={"olmo-core": "{file}"}),
    "levanter": Trainer({"": _levanter}, "", paths="data/{domain}/*.jsonl.zst", reads=_LINES, rounded=_levanter_draws),
    "litgpt": Trainer({".py": modules.litgpt}, "litgpt 0.5.13 with litdata 0.2.76"),
    "regmix": Trainer({"": _regmix}, "", paths="train_{domain}_"),
    "doremi": Trainer({"": _doremi}, "", paths="{domain}"),
}
