"""The teacher's opinion as a student learns it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def soften(responsibilities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Return softmax(log g / temperature), (n, K): nearly certain opinions become graded ones (Hinton et al. 2015)."""
    logits = np.log(np.maximum(responsibilities.astype(np.float64), 1e-300)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    soft = np.exp(logits)
    return soft / soft.sum(axis=1, keepdims=True)
