"""Weights beside the grounds for them: natural ones, unless something shows that others are better."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gemix.mix.box import Floats
from gemix.mix.grounds import Grounds, Trained, verdict_of

if TYPE_CHECKING:
    from gemix.mix.verdict import Decision


@dataclass(frozen=True)
class Judged:
    """Weights and why.

    Attributes:
        weights: (K,) to train on.
        natural: (K,) natural shares, put into caps and floors.
        grounds: the verdict and its figures.
        wish: (K,) what the search would take; None without one.
        region: (K, 2) smallest and largest weight over the runs, with the reach; None without runs.
        ranges: (K, 2) of each weight among mixtures that may as well be the best; None where it is not known.
        decision: all that the runs tell, for further questions; None without runs.

    """

    weights: Floats
    natural: Floats
    grounds: Grounds
    wish: Floats | None = None
    region: Floats | None = None
    ranges: Floats | None = None
    decision: "Decision | None" = field(default=None, repr=False)

    def after(self, trained: Trained, take_unproven: bool = False) -> "Judged":
        """Return what fresh models make of it: their verdict on the wish takes the place of any prediction."""
        gain = trained.gain
        verdict = verdict_of(gain.low, gain.high)
        taken = verdict == "unproven" and take_unproven
        reason = (
            f"trained with {trained.seeds} seeds the mixture gains {gain.value:.3g} over natural "
            f"({gain.low:.3g} to {gain.high:.3g})"
        )
        grounds = self.grounds.model_copy(
            update={
                "verdict": verdict,
                "grade": "trained",
                "reason": reason,
                "trained": trained,
                "gain": gain if verdict == "better" or taken else None,
                "taken": "unproven" if taken else None,
            }
        )
        weights = self.wish if self.wish is not None and (verdict == "better" or taken) else self.natural
        return replace(self, weights=weights, grounds=grounds)


def unproven(wish: Floats, natural: Floats, reason: str, take: bool = False) -> Judged:
    """Return natural weights with a wish beside them that no run has compared with natural; the wish where it is taken.

    Args:
        wish: (K,) what a strategy would take.
        natural: (K,) natural shares, put into caps and floors.
        reason: why nothing is known of it.
        take: it is taken all the same.

    """
    grounds = Grounds(verdict="unproven", reason=reason, taken="unproven" if take else None)
    return Judged(wish if take else natural, natural, grounds, wish)
