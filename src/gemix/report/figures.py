"""Figures of mixtures and of the surrogates behind them, as PNG or SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.mixture import Mixture
from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError

_NATURAL, _CHOSEN, GRID = "#9aa5b1", "#1f6feb", "#d9dde3"
_FORMATS = (".png", ".svg")
_NAMED_LINES = 8


def mixture_figure(mixture: Mixture, path: Path) -> None:
    """Draw weights beside natural shares, a pair of bars a domain, heaviest first.

    Args:
        mixture: what to draw.
        path: ends in .png or .svg.

    Raises:
        GemixError: another ending, matplotlib is not installed, or the file cannot be written.

    """
    entries = sorted(mixture.domains, key=lambda entry: -entry.weight)
    figure, axes = new_figure(path, 8, 1.2 + 0.36 * len(entries))
    place = np.arange(len(entries))
    known = any(entry.share is not None for entry in entries)
    half = 0.38 if known else 0.7
    axes.barh(place - (half / 2 if known else 0), [e.weight for e in entries], half, color=_CHOSEN, label="weight")
    if known:
        shares = [entry.share or 0.0 for entry in entries]
        axes.barh(place + half / 2, shares, half, color=_NATURAL, label="natural share")
    axes.set_yticks(place, [_short(entry.domain) for entry in entries])
    axes.invert_yaxis()
    axes.set_xlabel("share of the tokens")
    axes.set_title(f"Mixture by {mixture.strategy}", loc="left")
    axes.legend(frameon=False, loc="lower right")
    axes.xaxis.grid(True, color=GRID)
    save_figure(figure, path)


def predicted_figure(predicted: ArrayLike, true: ArrayLike, path: Path, name: str = "loss") -> None:
    """Draw predicted against true results of held-out runs, with the line on which they are equal.

    Args:
        predicted: (n,) results of runs by a surrogate that has not seen them.
        true: (n,) results of the same runs.
        path: ends in .png or .svg.
        name: of the result.

    Raises:
        GemixError: as `mixture_figure`, or there is nothing to draw.

    """
    x, y = np.asarray(true, float), np.asarray(predicted, float)
    if x.shape != y.shape or not len(x):
        raise GemixError(f"{path}: {len(y)} predictions for {len(x)} runs cannot be drawn")
    figure, axes = new_figure(path, 5.5, 5.5)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(ends, ends, color=_NATURAL, linewidth=1)
    axes.scatter(x, y, s=12, color=_CHOSEN, alpha=0.6, linewidths=0)
    axes.set_xlabel(f"true {name}")
    axes.set_ylabel(f"predicted {name}")
    axes.set_title(f"{len(x):,} held-out runs", loc="left")
    axes.grid(True, color=GRID)
    save_figure(figure, path)


def trajectory_figure(trajectory: ArrayLike, domains: Sequence[str], path: Path) -> None:
    """Draw the weights of a DoReMi training over its steps, and their averages at the right.

    The domains of the eight largest averages have colours and names, the others are grey.

    Args:
        trajectory: (T, K) weights after every step.
        domains: K names.
        path: ends in .png or .svg.

    Raises:
        GemixError: as `mixture_figure`, or there is nothing to draw.

    """
    weights = np.asarray(trajectory, float)
    if weights.ndim != 2 or weights.shape[1] != len(domains) or not weights.size:
        raise GemixError(f"{path}: weights of shape {weights.shape} for {len(domains)} domains cannot be drawn")
    figure, axes = new_figure(path, 9, 5)
    steps = np.arange(1, len(weights) + 1)
    average = weights.mean(axis=0)
    order = np.argsort(-average, kind="stable")
    for place in reversed(range(len(order))):
        k = order[place]
        named = place < _NAMED_LINES
        color = f"C{place}" if named else GRID
        axes.plot(steps, weights[:, k], color=color, linewidth=1.2 if named else 0.8, zorder=3 if named else 1)
        label = f"{_short(domains[k], 32)}  {average[k]:.3f}" if named else None
        axes.plot(steps[-1:], average[k : k + 1], ">", color=color, markersize=7, clip_on=False, label=label, zorder=4)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1), title="average")
    axes.set_xlabel("step")
    axes.set_ylabel("weight")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Weights of DoReMi over {len(weights):,} steps", loc="left")
    axes.grid(True, color=GRID)
    save_figure(figure, path)


def new_figure(path: Path, width: float, height: float) -> tuple[Any, Any]:
    """Return an empty figure of width x height inches and its axes.

    Raises:
        GemixError: `path` ends neither in .png nor in .svg, or matplotlib is not installed.

    """
    if path.suffix not in _FORMATS:
        raise GemixError(f"{path}: figures are .png or .svg")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise GemixError('figures need matplotlib: pip install "gemix[report]"') from None
    # Without pyplot: no global state, no display.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, atomically; the same drawing gives the same bytes.

    Raises:
        GemixError: the file cannot be written.

    """
    from matplotlib import rc_context

    # No date, and ids from a fixed salt.
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "gemix"}), atomic_path(path) as tmp:
        figure.savefig(tmp, format=path.suffix[1:], dpi=150, metadata=metadata)


def _short(name: str, most: int = 48) -> str:
    # A $ would start a formula.
    return (name if len(name) <= most else name[: most - 1] + "…").replace("$", r"\$")
