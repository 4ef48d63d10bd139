"""The stages of `gemix run`, one file a stage: embed, fit, name, distill, label."""

from collections.abc import Callable
from typing import Final

from gemix.chain import distill, embed, fit, label, name
from gemix.chain.run import Run
from gemix.run.ledger import Stage

PLANS: Final[dict[str, Callable[[Run], Stage]]] = {
    "embed": embed.plan,
    "fit": fit.plan,
    "name": name.plan,
    "distill": distill.plan,
    "label": label.plan,
}


def run_all(run: Run) -> None:
    """Do every stage, in order; what one of them lacks is said before the first begins."""
    distill.check(run)
    embed.embed(run)
    fit.fit(run)
    name.name(run)
    distill.distill(run)
    label.label(run)


__all__ = ["PLANS", "Run", "run_all"]
