"""What a sweep found: a row for every (K, balance), and which of them to take, with the reason in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Balance = float | Literal["auto"]


@dataclass(frozen=True, slots=True)
class Setting:
    """Measurements of one (K, balance); where there are several fits, of all of them.

    Attributes:
        n_clusters: K.
        balance: lambda as it was asked for.
        balance_used: lambda in force, mean over the fits; differs where `balance` is "auto".
        smallest_to_uniform: smallest domain divided by 1/K, in the worst of the fits.
        largest_to_uniform: largest domain divided by 1/K, in the worst of the fits.
        effective_domains: exp(entropy) of the masses, mean over the fits; from 1 to K.
        log_likelihood: mean log density of a held-out document in nats, mean over the fits.
        stability: adjusted Rand index of two fits to halves of the documents that share none, with two seeds; on
            held-out documents, mean over the pairs.
        stability_error: its standard error, over the pairs.
        stability_seeds: the same of fits to the same documents with different seeds.
        silhouette: cosine silhouette of held-out documents, mean over the fits; NaN where it is not defined.
        seconds: wall time of one fit, mean over the fits.

    """

    n_clusters: int
    balance: Balance
    balance_used: float
    smallest_to_uniform: float
    largest_to_uniform: float
    effective_domains: float
    log_likelihood: float
    stability: float
    stability_error: float
    stability_seeds: float
    silhouette: float
    seconds: float

    def __str__(self) -> str:
        return f"K = {self.n_clusters} with balance {_balance(self.balance)}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting to take, and why."""

    setting: Setting
    reason: str


def recommend(settings: Sequence[Setting], largest: float) -> Recommendation:
    """Choose the finest even partition that a second run would find again.

    1. A setting is even enough when its largest domain is at most `largest` times uniform; if none is, the one whose
       largest domain is the smallest is taken.
    2. Of these, all that are within one standard error of the most stable one pass as equally stable (the
       one-standard-error rule, Breiman et al. 1984). A handful of fits says little about its own spread, which depends
       on K above all: the error is the root mean square over the even settings with the K of the most stable one.
    3. Of these, the one with the most effective domains is chosen: more domains, and more even ones, are what a
       mixture can be steered by.

    Args:
        settings: at least one.
        largest: how large a domain may be, in multiples of uniform.

    """
    bound = max(largest, min(setting.largest_to_uniform for setting in settings))
    even = [setting for setting in settings if setting.largest_to_uniform <= bound]
    best = max(even, key=lambda setting: setting.stability)
    alike = [setting.stability_error**2 for setting in even if setting.n_clusters == best.n_clusters]
    error = float(np.sqrt(np.mean(alike)))
    stable = [setting for setting in even if setting.stability >= best.stability - error]
    chosen = max(stable, key=lambda setting: setting.effective_domains)

    if bound > largest:
        held = (
            f"No setting keeps the largest domain within {largest:g} times uniform; {chosen} comes closest with "
            f"{bound:.2f}: try a stronger balance."
        )
    else:
        held = f"{len(even)} of {len(settings)} settings keep the largest domain within {largest:g} times uniform."
    most = f"has the most effective domains ({chosen.effective_domains:.1f}) of the {len(stable)}"
    lead = f"{chosen} is the most stable of them ({best.stability:.3f})"
    if chosen is not best:
        why = (
            f"{chosen} is as stable ({chosen.stability:.3f}) as the best of them, {best} ({best.stability:.3f}), "
            f"within one standard error ({error:.3f}), and {most} that are."
        )
    elif len(stable) > 1:
        why = f"{lead} and {most} within one standard error ({error:.3f})."
    elif len(even) > 1:
        why = f"{lead}, by more than one standard error ({error:.3f})."
    else:
        why = f"{chosen} is the only one."
    return Recommendation(chosen, f"{held} {why}")


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result of `gemix.sphere.sweep.sweep`.

    Attributes:
        settings: one for every (K, balance), K by K.
        recommendation: the setting to take, and why.
        documents: documents that were fitted to.
        held_out: documents that were kept back.
        repeats: fits to all those documents, and pairs of fits to halves of them, per setting.

    """

    settings: tuple[Setting, ...]
    recommendation: Recommendation
    documents: int
    held_out: int
    repeats: int

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for every setting: its attributes and whether it is `recommended`."""
        chosen = self.recommendation.setting
        return [asdict(s) | {"recommended": s is chosen} for s in self.settings]

    def to_markdown(self) -> str:
        """Return the table, the recommended row in bold, and the reason."""
        lines = [
            "| K | balance | lambda | smallest | largest | effective domains | log-likelihood | stability | over seeds "
            "| silhouette | seconds a fit |",
            "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for s in self.settings:
            cells = [
                str(s.n_clusters), _balance(s.balance), f"{s.balance_used:.4g}",
                f"{s.smallest_to_uniform:.2f}", f"{s.largest_to_uniform:.2f}", f"{s.effective_domains:.1f}",
                f"{s.log_likelihood:.2f}", f"{s.stability:.3f} ± {s.stability_error:.3f}",
                f"{s.stability_seeds:.3f}",
                "" if np.isnan(s.silhouette) else f"{s.silhouette:.3f}", f"{s.seconds:.1f}",
            ]  # fmt: skip
            if s is self.recommendation.setting:
                cells = [cell and f"**{cell}**" for cell in cells]
            lines.append(f"| {' | '.join(cells)} |")
        about = (
            f"{self.documents:,} documents, {self.held_out:,} more held out, {self.repeats} repeats. Smallest and "
            "largest domain are multiples of uniform, the worst of the fits; log-likelihood (nats a document), "
            "stability (adjusted Rand index) and silhouette are of held-out documents."
        )
        chosen = self.recommendation
        return "\n".join([*lines, "", about, "", f"Recommended: **{chosen.setting}**. {chosen.reason}", ""])


def _balance(balance: Balance) -> str:
    return balance if isinstance(balance, str) else f"{balance:g}"
