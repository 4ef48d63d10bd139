"""The map of the report: up to 20,000 documents in the plane, coloured by domain."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gemix.report import read
from gemix.report.map_table import map_table
from gemix.report.text import plain

BYTES: Final = 3_000_000  # of all excerpts in the page
_EXCERPT: Final = (120, 90, 60, 40, 20)  # characters; the first that fits into BYTES is taken
_STEPS: Final = 2**16 - 1  # of a coordinate in the page
_CELLS: Final = 64


def panel(run: Path) -> dict[str, Any] | None:
    """Return the points of the map, their excerpts, and the domains with the place of their label.

    `x`, `y` and `domain` are little-endian uint16, base64; coordinates are 0 to 65,535 on both axes, in one scale.
    """
    table, method = map_table(run)
    if not len(table):
        return None
    points = _unit(np.column_stack([table["x"], table["y"]]).astype(np.float64))
    labels = table["domain"].to_numpy()
    domains = []
    for domain in read.taxonomy(run).domains:
        members = points[labels == domain.id]
        place = _densest(members) if len(members) else None
        domains.append(
            {
                "name": plain(domain.name, 80),
                "documents": len(members),
                "place": None if place is None else [round(float(value), 4) for value in place],
            }
        )
    return {
        "method": method,
        "documents": len(table),
        "x": _numbers(points[:, 0] * _STEPS),
        "y": _numbers(points[:, 1] * _STEPS),
        "domain": _numbers(labels),
        "excerpts": _excerpts(table["excerpt"].to_pylist()),
        "domains": domains,
    }


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points moved and scaled, both axes alike, into the unit square; y grows downwards, as on a screen."""
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - (low + high) / 2) / (max(float((high - low).max()), 1e-9)) + 0.5
    scaled[:, 1] = 1 - scaled[:, 1]
    return np.clip(scaled, 0, 1)


def _densest(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where most of the points are: the mean of those near the peak of their smoothed histogram.

    The mean of all of a domain in two islands lies in the water between.
    """
    counts = np.histogram2d(points[:, 0], points[:, 1], bins=_CELLS, range=[(0, 1), (0, 1)])[0]
    peak = np.array(np.unravel_index(np.argmax(gaussian_filter(counts, 1.5, mode="constant")), counts.shape))
    near = np.abs(points * _CELLS - 0.5 - peak).max(axis=1) <= 2
    return np.asarray(points[near].mean(axis=0) if near.any() else (peak + 0.5) / _CELLS)


def _numbers(values: NDArray[Any]) -> str:
    return base64.b64encode(np.round(values).astype("<u2").tobytes()).decode()


def _excerpts(texts: list[str]) -> list[str]:
    for most in _EXCERPT:
        cut = [plain(text, most) for text in texts]
        # As the page holds them: scripts that take three bytes a character are cut sooner.
        if len(json.dumps(cut, ensure_ascii=False).replace("<", "\\u003c").encode()) <= BYTES:
            break
    return cut
