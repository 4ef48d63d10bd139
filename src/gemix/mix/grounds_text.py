"""The grounds of a mixture in sentences, for terminal and report alike."""

from typing import Final

from gemix.mix.grounds import BY_HAND, Estimate, Grounds

_TRIFLE: Final = 0.01  # of a run's noise: a wish of less is natural itself


def sentences(grounds: Grounds) -> list[str]:
    """Return what is to be said of a mixture: the verdict first."""
    if grounds.verdict == BY_HAND:
        return [f"{BY_HAND}: {grounds.reason}"]
    graded = f" ({grounds.grade})" if grounds.grade else ""
    lines = [f"{grounds.verdict}{graded}: {grounds.reason}"]
    if grounds.taken:
        lines.append(f"taken all the same (--take {grounds.taken}): nothing shows that these weights beat natural ones")
    elif grounds.verdict != "better":
        lines.append("the weights are natural, put into caps and floors")
    if grounds.natural is not None:
        lines.append(f"natural is expected to have {grounds.natural:.5g}{_and_others(grounds)}")
    if grounds.wish is not None and grounds.gain is None and grounds.wish.value > _TRIFLE * (grounds.noise or 0.0):
        lines.append(f"the search would take a mixture with a gain of {written(grounds.wish)}: unproven")
    if grounds.trained is not None:
        found = grounds.trained
        even = "" if found.uniform is None else f", uniform {found.uniform:.5g}"
        lines.append(f"trained: the mixture {found.mixture:.5g}, natural {found.natural:.5g}{even}")
    return lines


def written(estimate: Estimate) -> str:
    """Return a number with its interval."""
    return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"


def _and_others(grounds: Grounds) -> str:
    text = ""
    if grounds.best_run is not None:
        run = grounds.best_run
        often = f", mean of {run.repeats} runs" if run.repeats > 1 else ""
        text += f"; the best run, {run.run}, had {run.outcome:.5g}{often}"
    if grounds.uniform is not None:
        text += f"; uniform gains {written(grounds.uniform)}"
    return text
