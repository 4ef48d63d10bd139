"""Mixtures from the natural shares alone."""

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats, project
from gemix.mix.simplex import temper


def uniform(box: Box) -> Floats:
    """Return equal weights, (K,), as far as the box allows: domains at no bound have the same weight."""
    return project(np.ones(len(box.floor)), box)


def natural(shares: ArrayLike, box: Box) -> Floats:
    """Return the natural shares, (K,), as far as the box allows: domains at no bound keep their ratios."""
    return temperature(shares, 1.0, box)


def temperature(shares: ArrayLike, value: float, box: Box) -> Floats:
    """Return shares^(1 / value), renormalised, as far as the box allows.

    Args:
        shares: (K,) natural shares of tokens.
        value: the temperature; 1 is natural, infinite is uniform over the domains that have tokens.
        box: where the result lies.

    Raises:
        ValueError: bad shares or temperature, or the domains that have tokens cannot take all the weight.

    """
    return project(temper(shares, value), box)
