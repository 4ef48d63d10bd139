"""Compiled loops over rows whose assignments are nearly hard: what weighs nothing is not computed.

With K components and reach T = log(K / eps), scores more than T below a row's largest together weigh less than eps, the
rounding unit of the type: sums without them are the sums. At concentrations in the hundreds a handful of K remain.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import inlined, loop
from gemix.sphere.kernel_types import Bounds, Chunk, Moved, Near, Sums


def index_type(n_clusters: int) -> Any:
    """Return the type in which component numbers are listed."""
    return np.uint16 if n_clusters <= 1 << 16 else np.uint32


def reach(n_clusters: int, dtype: np.dtype[Any]) -> float:
    """Return T, in nats."""
    return math.log(n_clusters / float(np.finfo(dtype).eps))


@loop
def sum_rows(
    products: NDArray[Any], chunk: Chunk, shift: NDArray[Any], lists: Near, reach: float, total: Sums
) -> tuple[float, int]:
    """Assign rows by softmax(scores), scores_ik = inverse_i products_ik + shift_k, and add up.

    Args:
        products: x_i . v_k, (m, K); overwritten.
        chunk: the rows.
        shift: (K,).
        lists: where a row has some listed, nothing else is within reach of it.
        reach: T.
        total: what is added to.

    Returns:
        sum_i w_i logsumexp_k s_ik, and how many assignments were within reach.

    """
    m, k = products.shape
    x, inverse, weights = chunk.x, chunk.inverse, chunk.weights
    starts, listed = lists.starts, lists.components
    masses, sums, found_starts, found, found_scores = (
        total.masses,
        total.sums,
        total.starts,
        total.components,
        total.scores,
    )
    near = np.empty(k, np.int64)
    log_sum, entries = 0.0, 0
    for i in range(m):
        scores, a = products[i], inverse[i]
        start, n = starts[i], starts[i + 1] - starts[i]
        top: Any = -np.inf
        if n:
            for p in range(start, start + n):
                j: Any = np.int64(listed[p])
                s = scores[j] * a + shift[j]
                scores[j] = s
                top = max(top, s)
        else:
            for j in range(k):
                s = scores[j] * a + shift[j]
                scores[j] = s
                top = max(top, s)
        cut = top - reach
        count = 0
        for p in range(n if n else k):
            j = np.int64(listed[start + p]) if n else p
            near[count] = j
            count += scores[j] >= cut
        if found.size:
            _keep(scores, near, count, i, found_starts, found, found_scores)
        else:
            log_sum += _add(scores, near, count, top, x[i], a, weights[i], masses, sums)
        entries += count
    return log_sum, entries


@inlined
def _keep(
    scores: NDArray[Any], near: NDArray[np.int64], count: int, i: int, starts: NDArray[np.int64],
    found: NDArray[np.unsignedinteger[Any]], found_scores: NDArray[Any],
) -> None:  # fmt: skip
    """Write down the components `near[:count]` of row i and their scores."""
    at = starts[i]
    for p in range(count):
        found[at + p], found_scores[at + p] = near[p], scores[near[p]]
    starts[i + 1] = at + count


@inlined
def _add(  # arrays one by one: numba has no structs of them here
    scores: NDArray[Any], near: NDArray[np.int64], count: int, top: float, x: NDArray[Any], a: float, weight: float,
    masses: NDArray[np.float64], sums: NDArray[Any],
) -> float:  # fmt: skip
    """Add one row with the components `near[:count]`; return its weighted logsumexp."""
    total = 0.0
    for j in range(count):
        e = math.exp(scores[near[j]] - top)
        scores[near[j]] = e
        total += e
    scale = weight / total
    for j in range(count):
        k = near[j]
        g = scale * scores[k]
        masses[k] += g
        for c in range(len(x)):
            sums[k, c] += sums.dtype.type(g * a) * x[c]
    return weight * (math.log(total) + top)


@loop
def sum_near_rows(  # one loop over rows, whose parts share a dozen locals: numba would pass each
    chunk: Chunk,
    directions: NDArray[Any],
    shift: NDArray[Any],
    lists: Near,
    moved: Moved,
    bounds: Bounds,
    mended: Near,
    total: Sums,
) -> tuple[float, int]:
    """Do what `sum_rows` does, asking for each row only the components that can be within reach, and mend the lists.

    Args:
        chunk: the rows.
        directions: v, (K, d).
        shift: (K,).
        lists: what is near, as far as known; its tops are brought up to date.
        moved: how components moved since.
        bounds: what is near.
        mended: gets the new lists; has the tops of `lists`.
        total: what is added to.

    Returns:
        sum_i w_i logsumexp_k s_ik, and for how many rows all components were asked.

    """
    x, inverse, weights = chunk.x, chunk.inverse, chunk.weights
    starts, near, gaps, tops = lists.starts, lists.components, lists.gaps, lists.tops
    new_starts, new_near, new_gaps = mended.starts, mended.components, mended.gaps
    risen, slack, restless, is_restless = moved.risen, moved.slack, moved.restless, moved.is_restless
    some, products = moved.directions, moved.products
    reach, far, fall, limit = bounds.reach, bounds.far, bounds.fall, bounds.limit
    masses, sums, found_starts, found, found_scores = (
        total.masses,
        total.sums,
        total.starts,
        total.components,
        total.scores,
    )
    k = len(directions)
    scores = np.empty(k, x.dtype)
    asked, chosen = np.empty(k, np.int64), np.empty(k, np.int64)
    four, new, some_shift = np.empty((4, len(some)), x.dtype), np.empty(len(some), x.dtype), shift[restless]
    log_sum, full = 0.0, 0
    new_starts[0] = 0
    for i in range(len(x)):
        if i % 4 == 0 and not len(products):
            _ask_four(some, x, i, four)
        a = inverse[i]
        at = new_starts[i]
        count, listed = 0, 0
        everything = True
        top: Any = -np.inf
        if starts[i + 1] > starts[i]:
            for p in range(starts[i], starts[i + 1]):
                j: Any = np.int64(near[p])
                new_near[at + listed], new_gaps[at + listed] = j, gaps[p]
                listed += not is_restless[j]
            # The restless and the one listed first, the nearest then, tell how far the largest score fell, or rose.
            for r in range(len(restless)):
                new[r] = (products[i, r] if len(products) else four[i % 4, r]) * a + some_shift[r]
                top = max(top, new[r])
            if listed:
                asked[0] = new_near[at]
                top = max(top, _ask(directions, asked, 0, 1, x[i], a, shift, scores))
                count = 1
            nearer = max(reach + min(tops[i] - top, fall), 0.0)  # a gap of 0 may stand for less than that
            for p in range(at + 1, at + listed):
                j = np.int64(new_near[p])
                asked[count] = j
                count += new_gaps[p] <= nearer + risen[j]
            top = max(top, _ask(directions, asked, min(listed, 1), count, x[i], a, shift, scores))
            everything = top < tops[i] - fall
        if everything:
            full += 1
            count, listed = k, 0
            for j in range(k):
                asked[j] = j
            top = _ask(directions, asked, 0, k, x[i], a, shift, scores)
            tops[i] = top
            for j in range(k):
                listed = _list(new_near, new_gaps, at, listed, limit, j, top - scores[j] - slack[j], far)
        cut = top - reach
        kept = 0
        for p in range(count):
            chosen[kept] = asked[p]
            kept += scores[asked[p]] >= cut
        if not everything:
            lowest = min(cut, tops[i] - far)
            for r in range(len(restless)):
                if new[r] >= lowest:
                    j = restless[r]
                    scores[j], chosen[kept] = new[r], j
                    kept += new[r] >= cut
                    listed = _list(new_near, new_gaps, at, listed, limit, j, tops[i] - new[r], far)
        new_starts[i + 1] = at + (listed if listed <= limit else 0)
        if everything or len(restless):
            _nearest_first(new_near, new_gaps, at, new_starts[i + 1])
        if found.size:
            _keep(scores, chosen, kept, i, found_starts, found, found_scores)
        else:
            log_sum += _add(scores, chosen, kept, top, x[i], a, weights[i], masses, sums)
    return log_sum, full


@inlined
def _ask(
    directions: NDArray[Any], asked: NDArray[np.int64], start: int, end: int, x: NDArray[Any], a: float,
    shift: NDArray[Any], scores: NDArray[Any],
) -> Any:  # fmt: skip
    """Set scores_k = a x.v_k + shift_k for the components asked[start:end]; return the largest, -inf of none."""
    top: Any = -np.inf
    zero = scores.dtype.type(0)
    for p in range(start, end - 1, 2):
        # Two at a time, x is loaded once for both.
        j, k = asked[p], asked[p + 1]
        s, t = zero, zero
        for c in range(len(x)):
            s += directions[j, c] * x[c]
            t += directions[k, c] * x[c]
        scores[j], scores[k] = s * a + shift[j], t * a + shift[k]
        top = max(top, scores[j], scores[k])
    if (end - start) % 2:
        j = asked[end - 1]
        s = zero
        for c in range(len(x)):
            s += directions[j, c] * x[c]
        scores[j] = s * a + shift[j]
        top = max(top, scores[j])
    return top


@loop
def _ask_four(directions: NDArray[Any], x: NDArray[Any], i: int, products: NDArray[Any]) -> None:
    """Set products[j, k] = x_(i + j) . v_k for four rows, or as many as there are: (4, r)."""
    zero = x.dtype.type(0)
    last = len(x) - 1
    a, b, c, d = x[i], x[min(i + 1, last)], x[min(i + 2, last)], x[min(i + 3, last)]
    for k in range(0, len(directions), 2):
        # Two by four at a time: every number that is loaded is used more than once.
        other = min(k + 1, len(directions) - 1)
        v, w = directions[k], directions[other]
        av, bv, cv, dv, aw, bw, cw, dw = zero, zero, zero, zero, zero, zero, zero, zero
        for e in range(x.shape[1]):
            av += a[e] * v[e]
            bv += b[e] * v[e]
            cv += c[e] * v[e]
            dv += d[e] * v[e]
            aw += a[e] * w[e]
            bw += b[e] * w[e]
            cw += c[e] * w[e]
            dw += d[e] * w[e]
        products[0, k], products[1, k], products[2, k], products[3, k] = av, bv, cv, dv
        products[0, other], products[1, other], products[2, other], products[3, other] = aw, bw, cw, dw


@loop
def accumulate(total: NDArray[np.float64], part: NDArray[Any]) -> None:
    """Add a part in any float type to float64 sums, both (K, d): NumPy would convert it first, piece by piece."""
    for k in range(len(total)):
        for c in range(total.shape[1]):
            total[k, c] += part[k, c]


@inlined
def _list(
    near: NDArray[np.unsignedinteger[Any]], gaps: NDArray[np.uint8], start: int, count: int, limit: int, k: int,
    gap: float, far: float,
) -> int:  # fmt: skip
    """List component k, unless it is far, behind `count` others as long as there is room; return how many are near."""
    if gap > far:
        return count
    if count < limit:
        near[start + count], gaps[start + count] = k, max(gap, 0.0)
    return count + 1


@inlined
def _nearest_first(near: NDArray[np.unsignedinteger[Any]], gaps: NDArray[np.uint8], start: int, end: int) -> None:
    """Bring the component with the smallest gap in near[start:end] to its start."""
    for p in range(start + 1, end):
        if gaps[p] < gaps[start]:
            near[start], near[p] = near[p], near[start]
            gaps[start], gaps[p] = gaps[p], gaps[start]


@loop
def list_near(
    products: NDArray[Any], inverse: NDArray[Any], shift: NDArray[Any], far: float, limit: int, lists: Near
) -> None:
    """List the components whose scores, inverse_i products_ik + shift_k, are not far below a row's largest.

    Args:
        products: (m, K).
        inverse: (m,).
        shift: (K,).
        far: how far, less than 256.
        limit: a row with more has none listed.
        lists: gets them.

    """
    starts, near, gaps, tops = lists.starts, lists.components, lists.gaps, lists.tops
    m, k = products.shape
    found, found_gaps = np.empty(k, np.int64), np.empty(k, products.dtype)
    starts[0] = 0
    for i in range(m):
        scores, a = products[i], inverse[i]
        top = scores[0] * a + shift[0]
        for j in range(k):
            top = max(top, scores[j] * a + shift[j])
        tops[i] = top
        count = 0
        for j in range(k):  # without a branch, which would often be guessed wrong
            gap = top - (scores[j] * a + shift[j])
            found[count], found_gaps[count] = j, gap
            count += gap <= far
        at = starts[i]
        starts[i + 1] = at + (count if count <= limit else 0)
        for p in range(starts[i + 1] - at):
            near[at + p], gaps[at + p] = found[p], found_gaps[p]
        _nearest_first(near, gaps, at, starts[i + 1])
