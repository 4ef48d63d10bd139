"""Have the domains of a corpus shifted against what the student was made on? See docs/stats.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.labels.markers import Marker
from gemix.labels.reference import Masses, Reference
from gemix.labels.totals import Totals
from gemix.runtime.errors import GemixError

SHIFT: Final = 0.1  # total variation worth a warning
DROP: Final = 0.05  # fall of the mean confidence worth a warning
_FALSE_ALARMS: Final = 0.01  # probability of any false alarm in one family of comparisons
_SHOWN: Final = 20  # shards named


@dataclass(frozen=True)
class DomainShift:
    """One domain: its shares and their difference, also in standard errors."""

    domain: int
    share: float
    reference: float
    difference: float
    z: float


@dataclass(frozen=True)
class ShardShift:
    """One shard that has shifted: total variation, and what chance alone would exceed in 1 of 100 corpora."""

    shard: str
    documents: int
    total_variation: float
    bound: float
    confidence: float


@dataclass(frozen=True)
class Drift:
    """The comparison of labels with a reference.

    Attributes:
        reference: what it is.
        documents, reference_documents: how many were compared.
        total_variation: half the sum of the absolute differences of the shares.
        expected: its mean if there were no drift, from sampling alone.
        bound: what sampling alone exceeds with probability 0.01.
        confidence, reference_confidence: mean probabilities of the chosen domains; None if one is not known.
        confidence_error: standard error of their difference.
        domains: largest difference first.
        shards: those that have shifted, worst first.
        warnings: what a person should look at, with the reason; empty if there is nothing.

    """

    reference: str
    documents: int
    reference_documents: int
    total_variation: float
    expected: float
    bound: float
    confidence: float
    reference_confidence: float | None
    confidence_error: float | None
    domains: list[DomainShift]
    shards: list[ShardShift] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# One report, written from top to bottom: every number in it is the next one's.
def measure_drift(
    found: Totals,
    reference: Reference,
    names: Sequence[str],
    markers: Mapping[str, Marker] | None = None,
    *,
    shift: float = SHIFT,
    drop: float = DROP,
) -> Drift:
    """Compare labels with a reference, all together and shard by shard.

    Args:
        found: the labels' totals.
        reference: see `read_reference`.
        names: of the domains.
        markers: of the shards, by name, to say which ones have shifted.
        shift: total variation above which to warn.
        drop: fall of the mean confidence above which to warn.

    Raises:
        GemixError: the labels are not of the reference's student.

    """
    if found.model != reference.model:
        raise GemixError(f"the labels are of another student than {reference.what}: their domains do not compare")
    new, old = Masses.of(found), reference.masses
    distance, expected, bound = compare_shares(new, old)
    variances = _variances(new, old)
    differences = new.shares - old.shares
    domains = [
        DomainShift(
            k,
            float(new.shares[k]),
            float(old.shares[k]),
            float(differences[k]),
            float(differences[k] / np.sqrt(variances[k])) if variances[k] else 0.0,
        )
        for k in np.argsort(-np.abs(differences), kind="stable").tolist()
    ]
    shards = _shifted_shards(markers or {}, old, shift)
    known = bool(np.isfinite(old.confidence)) and new.total > 0
    error = float(np.sqrt(new.variance / max(new.total, 1) + old.variance / max(old.total, 1))) if known else None
    warnings = []
    if distance > max(shift, bound):
        most = ", ".join(f"{names[d.domain]} {d.reference:.1%} -> {d.share:.1%}" for d in domains[:3])
        warnings.append(
            f"the domains have shifted: total variation {distance:.3f} from {reference.what} "
            f"(the limit is {shift:g}; sampling alone gives {expected:.3f}, seldom over {bound:.3f}). Most: {most}"
        )
    if error is not None and old.confidence - new.confidence > max(drop, _z(1) * error):
        warnings.append(
            f"the student is less sure than it was: mean confidence {new.confidence:.3f}, in {reference.what} "
            f"{old.confidence:.3f} (standard error {error:.3f}): these may be documents that the domains do not cover"
        )
    return Drift(
        reference=reference.what,
        documents=new.total,
        reference_documents=old.total,
        total_variation=distance,
        expected=expected,
        bound=bound,
        confidence=new.confidence,
        reference_confidence=old.confidence if known else None,
        confidence_error=error,
        domains=domains,
        shards=shards,
        warnings=warnings,
    )


def compare_shares(new: Masses, old: Masses, comparisons: int = 1) -> tuple[float, float, float]:
    """Return the total variation, its mean without drift, and what it exceeds without drift in 1 of 100 cases.

    With no drift the differences of the shares are nearly normal with variances v_k = p_k (1 - p_k) (1/n + 1/m) and
    correlations r_kl, so half the sum of their absolute values has the mean sum_k sqrt(2 v_k / pi) / 2 and the variance
    [sum_k (1 - 2/pi) v_k + sum_{k != l} sqrt(v_k v_l) r_kl^2 / pi] / 4, to second order in r (docs/stats.md).

    Args:
        new: one sample.
        old: the other.
        comparisons: how many are made; the case is that any of them exceeds its bound (Bonferroni).

    """
    distance = 0.5 * float(np.abs(new.shares - old.shares).sum())
    variances = _variances(new, old)
    mean = 0.5 * float(np.sqrt(2 * variances / np.pi).sum())
    p = _pooled(new, old)
    a = np.sqrt(
        np.divide(p**3, 1 - p, out=np.zeros_like(p), where=p < 1)
    )  # sqrt(v_k v_l) r_kl^2 is a_k a_l (1/n + 1/m)
    together = (a.sum() ** 2 - (a * a).sum()) * _scale(new, old) / np.pi
    deviation = 0.5 * float(np.sqrt((1 - 2 / np.pi) * variances.sum() + max(together, 0.0)))
    return distance, mean, mean + _z(comparisons) * deviation


def _shifted_shards(markers: Mapping[str, Marker], old: Masses, shift: float) -> list[ShardShift]:
    shifted = []
    for name, marker in markers.items():
        new = Masses.of(marker)
        distance, _, bound = compare_shares(new, old, len(markers))
        if new.total and distance > max(shift, bound):
            shifted.append(ShardShift(name, new.total, distance, bound, new.confidence))
    return sorted(shifted, key=lambda shard: -shard.total_variation)[:_SHOWN]


def _variances(new: Masses, old: Masses) -> NDArray[np.float64]:
    """Return the variances of the differences of shares if there is no drift, (K,)."""
    pooled = _pooled(new, old)
    return pooled * (1 - pooled) * _scale(new, old)


def _pooled(new: Masses, old: Masses) -> NDArray[np.float64]:
    return (new.documents + old.documents) / max(new.total + old.total, 1)


def _scale(new: Masses, old: Masses) -> float:
    return 1 / max(new.total, 1) + 1 / max(old.total, 1)


def _z(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / max(comparisons, 1))
