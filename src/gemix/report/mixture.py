"""The mixture of the report: weights beside natural shares, and a surrogate to play with."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemix.mix import surrogate_json
from gemix.mix.domain_ids import domain_number
from gemix.mix.formats import mixture_json
from gemix.mix.grounds import Grounds
from gemix.mix.grounds_text import sentences
from gemix.mix.mixture import Mixture
from gemix.mix.partition import read_partition
from gemix.report import read
from gemix.report.predictor import page_model, without_spread
from gemix.report.text import plain
from gemix.run.folder import RunFolder
from gemix.runtime.errors import GemixError

FILE_NAME: Final = "mixture.json"
BYTES: Final = 3_500_000  # of the surrogates in the page


class _Known(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class TargetQuality(_Known):
    """What cross-validation says of the surrogate of one target, see `gemix.mix.surrogates.CrossValidation`."""

    target: str
    weight: float
    spearman: float
    low: float
    high: float
    rmse: float
    runs: int


class Quality(_Known):
    """The `surrogate` of a mixture.json that comes from runs."""

    kind: str
    objective: str
    targets: list[TargetQuality] = Field(min_length=1)
    sha256: str | None = None


def panel(run: Path) -> dict[str, Any] | None:
    """Return the mixture of a run, its quality and what its sliders need; None where the run has no mixture.

    Raises:
        GemixError: mixture.json, or the surrogates beside it, is damaged.

    """
    path = run / FILE_NAME
    if not path.exists():
        return None
    mixture = _read(path)
    quality, notes = _quality(mixture)
    if (stale := _stale(run, mixture)) is not None:
        notes.append(stale)
    sliders = None
    if quality is not None:
        sliders, note = _sliders(surrogate_json.path_beside(path), mixture, quality)
        notes += [note] if note else []
    grounds = mixture.grounds
    return {
        "strategy": plain(mixture.strategy, 40),
        "verdict": [] if grounds is None else [plain(line, 400) for line in sentences(grounds)],
        "leaves": grounds is not None and grounds.gain is not None,
        "others": [] if grounds is None else _others(grounds),
        "has_ranges": all(entry.range is not None and entry.region is not None for entry in mixture.domains),
        "budget": mixture.budget_tokens,
        "domains": _domains(run, mixture),
        "quality": quality.model_dump(exclude={"sha256"}) if quality else None,
        "sliders": sliders,
        "notes": notes,
    }


def _others(grounds: Grounds) -> list[dict[str, Any]]:
    return [
        {
            "metric": plain(effect.metric, 80),
            "natural": effect.natural,
            "change": effect.change.value,
            "low": effect.change.low,
            "high": effect.change.high,
            "verdict": effect.verdict or "direction unknown",
        }
        for effect in grounds.others
    ]


def _read(path: Path) -> Mixture:
    try:
        return mixture_json.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, not JSON, not a mixture
        raise GemixError(f"{path}: {error}") from error


def _quality(mixture: Mixture) -> tuple[Quality | None, list[str]]:
    if mixture.surrogate is None:
        return None, []
    try:
        return Quality.model_validate(mixture.surrogate), []
    except ValidationError:
        return None, ["The quality of the surrogate is not stated in a form that this report knows."]


def _stale(run: Path, mixture: Mixture) -> str | None:
    table, made_from = RunFolder(run).domains, mixture.provenance.get("domains_sha256")
    if made_from is None or not table.exists():
        return None
    try:
        if made_from == read_partition(table).fingerprint:
            return None
    except ValueError as error:
        raise GemixError(str(error)) from error
    return "This mixture was not made from the domains.csv that is in the run folder now."


def _domains(run: Path, mixture: Mixture) -> list[dict[str, Any]]:
    """Return the domains in the order of the mixture; `id` is that of the taxonomy, None for what is not in it."""
    names = read.taxonomy(run).names
    ids = [domain_number(entry.domain) for entry in mixture.domains]
    ids = [number if number is not None and number < len(names) else None for number in ids]
    return [
        {
            "id": number,
            "name": plain(entry.name or entry.domain if number is None else names[number], 80),
            "weight": entry.weight,
            "share": entry.share,
            "ratio": entry.weight / entry.share if entry.share else None,
            "tokens": entry.tokens,
            "epochs": entry.epochs,
            "range": entry.range,
            "region": entry.region,
        }
        for entry, number in zip(mixture.domains, ids, strict=True)
    ]


def _sliders(path: Path, mixture: Mixture, quality: Quality) -> tuple[dict[str, Any] | None, str | None]:
    """Return bounds and surrogates for the page, or None and why there are no sliders."""
    if quality.sha256 is None or not path.exists():
        return None, f"No sliders: {path.name} is not beside the mixture; `gemix mix regmix` writes it."
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != quality.sha256:
        return None, f"No sliders: {path.name} belongs to another mixture."
    try:
        fitted = surrogate_json.parse(data)
        models = [page_model(target.model) for target in fitted.targets]
    except ValueError as error:
        raise GemixError(f"{path}: {error}") from error
    if fitted.domains != mixture.keys or len(fitted.targets) != len(quality.targets):
        raise GemixError(f"{path}: its domains or targets are not those of the mixture")
    note = None
    spreads: list[float | None] = [None] * len(models)
    if _size(models) > BYTES:
        # Constant, but as honest on average: the error on runs that the surrogate did not see.
        models, spreads = [without_spread(model) for model in models], [target.rmse for target in quality.targets]
        note = "Standard deviations are the error of cross-validation: those of each mixture are too large for a page."
    if (size := _size(models)) > BYTES:
        return None, f"No sliders: the surrogates take {size / 1e6:.0f} MB; with --surrogate gp they are smaller."
    targets = [
        {
            "name": plain(target.target, 80),
            "weight": target.weight,
            "centre": target.centre,
            "scale": target.scale,
            "spread": spread,
            "model": model,
        }
        for target, model, spread in zip(fitted.targets, models, spreads, strict=True)
    ]
    return {"floor": fitted.floor, "cap": fitted.cap, "objective": fitted.objective, "targets": targets}, note


def _size(models: list[dict[str, Any]]) -> int:
    return len(json.dumps(models))
