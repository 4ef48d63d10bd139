"""The figure of a sweep: what K and balance do to evenness, likelihood, stability and silhouette."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gemix.report.figures import GRID, new_figure, save_figure
from gemix.sphere.sweep_result import Setting, Sweep

_COLOURS = ("#1f6feb", "#d1242f", "#2da44e", "#bf8700", "#8250df", "#57606a")
_MARKERS = "os^Dv*"


def sweep_figure(sweep: Sweep, path: Path) -> Path:
    """Draw four panels against K, one line a balance, the recommended setting ringed.

    Args:
        sweep: what to draw.
        path: ends in .png or .svg.

    Returns:
        `path`.

    Raises:
        GemixError: another ending, matplotlib is not installed, or the file cannot be written.

    """
    figure, only = new_figure(path, 9, 6.5)
    only.remove()
    panels = figure.subplots(2, 2)
    (sizes, likelihood), (stability, silhouette) = panels
    chosen = sweep.recommendation.setting
    for i, balance in enumerate(dict.fromkeys(setting.balance for setting in sweep.settings)):
        line = sorted((s for s in sweep.settings if s.balance == balance), key=lambda s: s.n_clusters)
        clusters = [s.n_clusters for s in line]
        colour = _COLOURS[i % len(_COLOURS)]
        style = {"color": colour, "marker": _MARKERS[i // len(_COLOURS) % len(_MARKERS)], "markersize": 4}
        # Lines of several balances lie close together; the later ones are thinner, so that none hides another.
        style["linewidth"] = max(1.0, 2.2 - 0.4 * i)
        name = balance if isinstance(balance, str) else f"{balance:g}"
        sizes.plot(clusters, _column(line, "largest_to_uniform"), label=f"balance {name}", **style)
        sizes.plot(clusters, _column(line, "smallest_to_uniform"), linestyle="--", **style)
        likelihood.plot(clusters, _column(line, "log_likelihood"), **style)
        stability.errorbar(
            clusters, _column(line, "stability"), yerr=_column(line, "stability_error"), capsize=2, **style
        )
        silhouette.plot(clusters, _column(line, "silhouette"), **style)
    for axes, title, attribute in (
        (sizes, "largest (solid) and smallest (dashed) domain, of uniform", "largest_to_uniform"),
        (likelihood, "log-likelihood of a held-out document, nats", "log_likelihood"),
        (stability, "stability, adjusted Rand index", "stability"),
        (silhouette, "cosine silhouette", "silhouette"),
    ):
        axes.plot(
            [chosen.n_clusters], [getattr(chosen, attribute)], "o", markersize=12, fillstyle="none", color="#24292f"
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xscale("log")
        axes.set_xticks(sorted({s.n_clusters for s in sweep.settings}), minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_axisbelow(True)
        axes.grid(True, color=GRID)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in panels[1]:
        axes.set_xlabel("K")
    figure.legend(loc="outside upper right", ncols=len(_COLOURS), frameon=False, fontsize=9)
    figure.suptitle(f"Recommended (ringed): {chosen}", x=0.01, ha="left", fontsize=11)
    save_figure(figure, path)
    return path


def _column(line: list[Setting], attribute: str) -> NDArray[np.float64]:
    return np.array([getattr(setting, attribute) for setting in line], dtype=np.float64)
