"""The two orders of a sample, both by hash: in which documents are chosen, and in which they are written.

Neither depends on where a document lies, so the layout of the corpus changes nothing.
"""

import hashlib
import math
from collections.abc import Callable, Sequence

_BITS = 44  # of a hash; with 2^8 epochs in front a float64 still holds them all


def selection_hash(seed: int) -> Callable[[str], int]:
    """Return blake2b-64(id, key=seed): documents of a domain are chosen in the order of this number.

    Its salt makes it another order than that of the seed sample.
    """
    start = hashlib.blake2b(digest_size=8, key=str(seed).encode(), salt=b"sample:choose")

    def compute(document_id: str) -> int:
        state = start.copy()
        state.update(document_id.encode())
        return int.from_bytes(state.digest(), "big")

    return compute


def position_hash(seed: int) -> Callable[[bytes, int], float]:
    """Return a function of a document (all its bytes) and the number of a copy: uniform in [0, 1), in steps of 2^-44.

    It is the content that is hashed, not the id, because ids may repeat and would then lie side by side.
    """
    start = hashlib.blake2b(digest_size=8, key=str(seed).encode(), salt=b"sample:place")

    def compute(document: bytes, copy: int) -> float:
        state = start.copy()
        state.update(copy.to_bytes(4, "big"))
        state.update(document)
        return (int.from_bytes(state.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)

    return compute


def stretched(place: float, phases: Sequence[tuple[float, float]]) -> float:
    """Return where in the whole stream a place in the stream of a domain comes, both from 0 to 1.

    Args:
        place: in the domain's own stream.
        phases: weight of the domain and share of the whole of each.

    """
    left = place * math.fsum(weight * share for weight, share in phases)
    start = 0.0
    for weight, share in phases:
        if left < weight * share:
            return min(start + left / weight, 1.0)
        left -= weight * share
        start += share
    return 1.0


def position(uniform: float, copy: int, full: int, epochs: float) -> float:
    """Return where in the stream, from 0 to 1, a copy of a document comes.

    The stream of a domain is cut into its epochs, one after another: no document comes a second time before each came
    once, and yet the domain has the same density everywhere, so that every piece of the stream has the mixture.

    Args:
        uniform: `position_hash` of the document and the copy.
        copy: 0 for the first.
        full: Whole epochs of the domain; copy `full` is in the partial one.
        epochs: All epochs, the partial one included.

    """
    length = 1.0 if copy < full else epochs - full
    return (copy + uniform * length) / epochs
