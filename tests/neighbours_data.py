"""Local density by its definition, which tests compare the searches with."""

import numpy as np

from gemix.taxonomy.neighbours import MIN_DENSITY


def density_by_definition(X: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean cosine of each unit row to its nearest others, (n,)."""
    cosines = X @ X.T
    out = []
    for i in range(len(X)):
        others = np.sort(np.delete(cosines[i], i))[::-1]
        out.append(others[:neighbours].mean() if len(others) else 0.0)
    return np.maximum(out, MIN_DENSITY)
