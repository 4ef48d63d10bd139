"""What the compiled passes over rows take and give: named arrays, which numba takes apart at no cost."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Chunk(NamedTuple):
    """Rows x_i, (m, d), with 1 / |x_i| and their weights w_i, (m,) each."""

    x: NDArray[Any]
    inverse: NDArray[Any]
    weights: NDArray[np.float64]


class Near(NamedTuple):
    """The components near each of m rows, where not too many are.

    Attributes:
        starts: row i has components[starts[i] : starts[i + 1]] listed; none means that all are to be asked, (m + 1,).
        components: their numbers; what lies beyond starts[m] has no meaning.
        gaps: how far at least their scores were below the row's largest, in whole nats rounded down.
        tops: largest score of each row when all its components were last asked, (m,).

    """

    starts: NDArray[np.int64]
    components: NDArray[np.unsignedinteger[Any]]
    gaps: NDArray[np.uint8]
    tops: NDArray[Any]


class Moved(NamedTuple):
    """How components moved since they were listed.

    Attributes:
        risen: how far a component's scores may have risen, (K,).
        slack: how much more than that they may yet rise, (K,); 0 for the restless.
        restless: components to be asked for every row, (r,).
        is_restless: whether a component is among them, (K,).
        directions: v_k of the restless, (r, d).
        products: x_i . v_k of the restless, (m, r); or (0, r), and they are computed here: quicker for a few.

    """

    risen: NDArray[Any]
    slack: NDArray[Any]
    restless: NDArray[np.int64]
    is_restless: NDArray[np.bool_]
    directions: NDArray[Any]
    products: NDArray[Any]


class Bounds(NamedTuple):
    """What is near.

    Attributes:
        reach: T: what is further below a row's largest score weighs nothing.
        far: components no further below it are listed, less than 256.
        fall: where the largest score is lower than `tops` by more, all components are asked.
        limit: a row with more has none listed.

    """

    reach: float
    far: float
    fall: float
    limit: int


class Sums(NamedTuple):
    """What a pass adds to, or, where `components` has room, writes down.

    Attributes:
        masses: gains sum_i w_i g_ik, (K,).
        sums: gains sum_i w_i g_ik x_i / |x_i|, (K, d).
        starts: gets where a row's components within reach start, (m + 1,); then nothing is added up.
        components: gets their numbers, (m K,); without entries they are not wanted.
        scores: gets their scores, likewise.

    """

    masses: NDArray[np.float64]
    sums: NDArray[Any]
    starts: NDArray[np.int64]
    components: NDArray[np.unsignedinteger[Any]]
    scores: NDArray[Any]
