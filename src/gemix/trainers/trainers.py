"""One trainer, one small file: what each of them reads, as text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gemix.runtime.errors import GemixError
from gemix.trainers import modules
from gemix.trainers.sources import Source, Unit

Writer = Callable[[Sequence[Source]], str]


@dataclass(frozen=True)
class Trainer:
    """How a trainer is told a mixture.

    Attributes:
        writers: the text of its file, by the suffix that the file must have; "" stands for any.
        draws: what it draws by weight: documents, or sequences of one length, which are tokens.
        paths: where it looks for a domain's data unless told otherwise.

    """

    writers: dict[str, Writer]
    draws: Unit = "tokens"
    paths: str = "data/{domain}"

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
    for source in sources:
        if source.path.split() != [source.path]:
            raise GemixError(f"megatron splits its list at white space, so no path may hold any: {source.path!r}")
    return "".join(f"{source.share!r} {source.path}\n" for source in sources)


def _nemo(sources: Sequence[Source]) -> str:
    """Write the zipped list that `paths` of NeMo's pre-training data modules takes."""
    return _json([item for source in sources for item in (repr(source.share), source.path)])


def _mosaicml_streaming(sources: Sequence[Source]) -> str:
    """Write the arguments of one `Stream` a domain."""
    return _yaml([_stream(source) for source in sources])


def _llm_foundry(sources: Sequence[Source]) -> str:
    streams = {source.domain: _stream(source) for source in sources}
    return _yaml({"train_loader": {"dataset": {"streams": streams}}})


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
            "paths": [source.path],
            "max_repetition_ratio": max(1.0, source.repetition),
        }
        for source in sources
    ]
    return _yaml({"sources": entries})


def _olmix(sources: Sequence[Source]) -> str:
    """Write the parts `data.sources` and `mix` of a launch configuration."""
    for source in sources:
        if ":" in source.domain:
            raise GemixError(f"olmix reads a colon as source:topic, so no domain may have one: {source.domain!r}")
    data = [{"name": source.domain, "paths": [source.path]} for source in sources]
    mix = {
        source.domain: {"weight": source.share, "repetition_factor": max(1.0, source.repetition)} for source in sources
    }
    return _yaml({"data": {"sources": data}, "mix": mix})


def _levanter(sources: Sequence[Source]) -> str:
    configs = {source.domain: {"train_urls": [source.path]} for source in sources}
    weights = {source.domain: source.share for source in sources}
    return _yaml({"data": {"configs": configs, "train_weights": weights}})


def _nanotron(sources: Sequence[Source]) -> str:
    """Write a stage that starts with the training; Nanosets draw sequences."""
    dataset = {
        "dataset_folder": [source.path for source in sources],
        "dataset_weights": [source.share for source in sources],
    }
    stage = {"name": "mixture", "start_training_step": 1, "data": {"dataset": dataset, "seed": 0}}
    return _yaml({"data_stages": [stage]})


def _regmix(sources: Sequence[Source]) -> str:
    """Weights by the prefix of their files; each `valid` entry is a validation set of its own."""
    prefixes = [source.path for source in sources]
    for prefix in prefixes:
        also = [other for other in prefixes if other != prefix and other.startswith(prefix)]
        if also:
            raise GemixError(
                f"regmix takes all files that begin with {prefix!r}, those of {also[0]!r} too; "
                'end the prefixes alike, for example --paths "train_{domain}_"'
            )
    valid = {f"valid_{source.domain}": 1.0 for source in sources}
    return _yaml({"train": {source.path: source.share for source in sources}, "valid": valid})


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


TRAINERS: dict[str, Trainer] = {
    "megatron": Trainer({"": _megatron}),
    "nemo": Trainer({".json": _nemo}),
    "mosaicml-streaming": Trainer({"": _mosaicml_streaming}, draws="documents"),
    "llm-foundry": Trainer({"": _llm_foundry}),
    "hf-datasets": Trainer(
        {".json": _hf_datasets, ".py": modules.hf_datasets}, draws="documents", paths="data/{domain}/*.jsonl.zst"
    ),
    "torchtitan": Trainer({".py": modules.torchtitan}),
    "olmo-core": Trainer({"": _olmo_core}, paths="data/{domain}/*.npy"),
    "olmix": Trainer({"": _olmix}, paths="data/{domain}/*.npy"),
    "levanter": Trainer({"": _levanter}, paths="data/{domain}/*.jsonl.zst"),
    "nanotron": Trainer({"": _nanotron}),
    "litgpt": Trainer({".py": modules.litgpt}),
    "regmix": Trainer({"": _regmix}, paths="train_{domain}"),
    "doremi": Trainer({"": _doremi}, paths="{domain}"),
}
