"""The settings of a run: one flat model, which a YAML file and the flags of the command line both fill."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gemix.runtime.errors import GemixError

# Which settings each stage is run with. They are stored when it has succeeded, and later runs go on from there.
STAGES: Final[dict[str, tuple[str, ...]]] = {
    "embed": (
        "inputs", "text_key", "id_key", "max_bad_fraction", "tokenizer", "seed", "sample", "sample_bytes", "window",
        "embedder", "centre",
    ),
    "fit": ("seed", "clusters", "balance", "balance_by", "target", "temper", "solver", "tol", "n_init"),
    "name": ("seed", "representatives", "representatives_by", "llm_base_url", "llm_model"),
    "distill": ("seed", "student_kind", "student_sample"),
    "label": ("source_key", "date_key", "count"),
}  # fmt: skip


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class RunConfig(BaseModel):
    """Every setting of `gemix run`. A key of the YAML file is the flag's name, with - or _."""

    model_config = ConfigDict(extra="forbid", validate_default=True, defer_build=True)

    inputs: list[str] = Field(
        default=[], description="files, folders or globs: JSON lines or .parquet, see docs/corpus.md"
    )
    text_key: str = Field("text", description="column that holds the text")
    id_key: str = Field("id", description="column that holds the document's id (missing: shard:row)")
    source_key: str | None = Field(None, description="column to count by, beside the domain, while labelling")
    date_key: str | None = Field(None, description="column of the date, to count by month while labelling")
    max_bad_fraction: float = Field(0.01, ge=0, le=1, description="share of unusable rows above which to stop")
    tokenizer: str | None = Field(
        None,
        description="counts tokens: a tokenizer.json or a name on Hugging Face; else one is trained on the sample",
    )
    count: Literal["sample", "all"] = Field(
        "sample",
        description="documents whose tokens are counted: all, or a sample (but all of a corpus below 100 MB)",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the sample and of every random step")
    sample: int | None = Field(
        None, ge=1, description="documents that the teacher reads, chosen by a hash of their places (default 20,000)"
    )
    sample_bytes: int | None = Field(None, ge=1, description="size of the sample in bytes of text instead")
    window: int = Field(
        3000,
        ge=1,
        description="characters of a document that teacher and student read; 1000 are faster and tell less of a page",
    )
    embedder: str = Field(
        "minilm", description="minilm, minilm:int8, minilm:fp32, lsa, sentence-transformers:NAME or precomputed:PATH"
    )
    centre: bool = Field(False, description="subtract the mean embedding (for anisotropic embedders)")
    clusters: int = Field(24, ge=1, description="number of domains K")
    balance: float | Literal["auto"] = Field(
        "auto", description="lambda, the pull towards equal domains; 0 none, inf exactly equal, auto scales with kappa"
    )
    balance_by: Literal["documents", "tokens"] = Field("documents", description="what equal is counted in")
    target: Literal["uniform", "tempered"] = Field(
        "uniform", description="sizes to aim at: uniform, or tempered (natural sizes to the power temper)"
    )
    temper: float = Field(0.5, ge=0, description="power of a tempered target: 0 uniform, 1 natural")
    solver: Literal["exact", "mm"] = Field("exact", description="E-step: exact (the dual) or mm (the paper's)")
    tol: float = Field(
        1e-4,
        gt=0,
        allow_inf_nan=False,
        description="gain of the objective, in nats a document, at which the teacher has converged",
    )
    n_init: int = Field(1, ge=1, description="starts of the teacher; the best is kept")
    representatives: int = Field(10, ge=1, description="representative documents a domain")
    representatives_by: Literal["gis", "centre", "confidence", "random"] = Field(
        "gis", description="how representatives are ranked"
    )
    student_kind: Literal["hashed", "fasttext"] = Field(
        "hashed", description="hashed (quicker and more faithful) or fasttext (the paper's, a standard .bin)"
    )
    student_sample: int = Field(
        0, ge=0, description="documents beyond the sample that the teacher labels for the hashed student to learn from"
    )
    llm_base_url: str | None = Field(
        None, description="OpenAI-compatible endpoint that names domains, such as http://localhost:8000/v1"
    )
    llm_model: str | None = Field(None, description="its model; the key comes from GEMIX_LLM_API_KEY or OPENAI_API_KEY")
    workers: int = Field(default_factory=_cores, ge=1, description="threads that embed and processes that label")

    @model_validator(mode="after")
    def _one_sample_size(self) -> Self:
        if self.sample is not None and self.sample_bytes is not None:
            raise ValueError("give sample or sample_bytes, not both")
        if self.sample is None and self.sample_bytes is None:
            self.sample = 20_000
        return self

    @model_validator(mode="after")
    def _balance_is_a_pull(self) -> Self:
        if self.balance != "auto" and not self.balance >= 0:
            raise ValueError(f"balance must be auto or a number >= 0, not {self.balance}")
        if self.solver == "mm" and self.balance == float("inf"):
            raise ValueError("an infinite balance needs solver exact")
        return self

    @model_validator(mode="after")
    def _further_documents_are_for_hashed_students(self) -> Self:
        if self.student_sample and self.student_kind != "hashed":
            raise ValueError("a student-sample needs student-kind hashed")
        return self

    @model_validator(mode="after")
    def _language_model_has_address_and_name(self) -> Self:
        if (self.llm_base_url is None) != (self.llm_model is None):
            raise ValueError("give llm-base-url and llm-model together")
        if self.llm_base_url is not None:
            address = urlsplit(self.llm_base_url)
            if address.scheme not in ("http", "https") or not address.hostname:
                raise ValueError(f"llm-base-url must begin with http:// or https://, not {self.llm_base_url!r}")
            if address.username or address.password:
                raise ValueError("llm-base-url must hold no key: settings are written to files; use GEMIX_LLM_API_KEY")
        return self

    def to_yaml(self) -> str:
        """Return all settings as flat YAML that `resolve` reads back."""
        import yaml

        return yaml.safe_dump(self.model_dump(exclude_none=True), sort_keys=False, allow_unicode=True)


def resolve(
    flags: Mapping[str, Any],
    config_file: Path | None = None,
    stored: Mapping[str, Mapping[str, Any]] | None = None,
    stage: str | None = None,
) -> RunConfig:
    """Put settings together: defaults, then those that a run's stages were done with, then a YAML file, then flags.

    Args:
        flags: values given on the command line; None where a flag was not given.
        config_file: YAML file that the user names, flat or by stage.
        stored: by stage, see `gemix.run.ledger.Ledger.settings`.
        stage: whose settings they are to be. What several stages have (the seed) each keeps for itself.

    Raises:
        GemixError: an unknown key or a bad value, with the file and key it stands in.

    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    layers = [(_flat(stored or {}, stage), "the run")]
    if config_file is not None:
        layers.append((_flat(read_yaml(config_file), stage), str(config_file)))
    layers.append(({key: value for key, value in flags.items() if value is not None}, "command line"))
    for layer, source in layers:
        # The two sizes of the sample exclude each other, so a later layer's choice replaces an earlier one's.
        if "sample" in layer or "sample_bytes" in layer:
            values.pop("sample", None)
            values.pop("sample_bytes", None)
        values |= layer
        sources |= dict.fromkeys(layer, source)
    try:
        return RunConfig(**values)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = str(problem["loc"][0]) if problem["loc"] else ""
            where = f"{sources.get(key, 'settings')}: {key.replace('_', '-')}: " if key else ""
            lines.append(f"{where}{problem['msg'].removeprefix('Value error, ')}")
        raise GemixError("\n".join(dict.fromkeys(lines))) from None


def _flat(layer: Mapping[str, Any], stage: str | None) -> dict[str, Any]:
    """Return settings without the sections of stages: of equal keys, that of `stage`, else that of the first."""
    sections = {name: content for name, content in layer.items() if name in STAGES and isinstance(content, dict)}
    flat = {key: value for key, value in layer.items() if key not in sections}
    ordered = [name for name in STAGES if name in sections]
    for name in sorted(ordered, key=lambda name: name != stage):
        for key, value in sections[name].items():
            flat.setdefault(key.replace("-", "_"), value)
    return flat


def settings_of(config: RunConfig, stage: str) -> dict[str, Any]:
    """Return a stage's settings as JSON values that `resolve` reads back; names of files hold from any folder."""
    from gemix.tokens.counter import tokenizer_file  # here: `--help` reads no arrays

    kept = {key: getattr(config, key) for key in STAGES[stage]}
    values = {key: "inf" if value == float("inf") else value for key, value in kept.items() if value is not None}
    if "inputs" in values:
        values["inputs"] = [anywhere(item) for item in config.inputs]
    kind, mark, path = config.embedder.partition("precomputed:")
    if "embedder" in values and mark:
        values["embedder"] = f"{kind}{mark}{anywhere(path)}"
    if config.tokenizer is not None and "tokenizer" in values and tokenizer_file(config.tokenizer) is not None:
        values["tokenizer"] = anywhere(config.tokenizer)
    return values


def anywhere(item: str) -> str:
    """Return a file, folder or glob by its absolute path; a URL as it is."""
    return item if "://" in item else os.path.abspath(item)


def to_yaml(stored: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the settings of the stages as YAML that `resolve` reads back."""
    import yaml

    sections = {name: dict(stored[name]) for name in STAGES if name in stored}
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; - and _ in keys are the same.

    Raises:
        GemixError: the file is missing, not YAML, or not a mapping.

    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise GemixError(f"{path} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise GemixError(f"{path} must hold key: value pairs, not a {type(content).__name__}")
    return _of_today({str(key).replace("-", "_"): value for key, value in content.items()}, path)


def _of_today(settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return settings that may be those of gemix 0.1, whose unit was the word where no tokenizer was named."""
    if settings.get("sample_tokens") is not None:
        raise GemixError(f"{path}: sample-tokens is no setting any more: give sample-bytes, the bytes of the sample")
    counter = settings.pop("token_counter", None)
    if counter not in (None, "whitespace"):
        settings.setdefault("tokenizer", counter)
    return settings
