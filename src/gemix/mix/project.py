"""A mixture carried onto another partition of the same documents.

Domain k of the old partition gives its weight to the new domains as its documents lie in them:

    v_l = sum_k w_k M_kl / sum_l M_kl,      M_kl: bytes (or tokens) of the documents in k and l

so a training that draws inside each domain at random sees about the documents that it would have seen. Merged, split
and renamed domains are special cases.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Floats


def carry_over(weights: ArrayLike, overlap: ArrayLike, names: Sequence[str]) -> Floats:
    """Return the weights over the new domains, (L,), as yet without caps and floors.

    Args:
        weights: (K,) of the old domains.
        overlap: (K, L), M above.
        names: of the old domains, for messages.

    Raises:
        ValueError: shapes that do not match, or an old domain with weight has no documents in the new partition.

    """
    w, shared = np.asarray(weights, float), np.asarray(overlap, float)
    if shared.ndim != 2 or len(shared) != len(w) or len(names) != len(w):
        raise ValueError(
            f"{len(w)} weights of {len(names)} domains and an overlap of shape {shared.shape} do not match"
        )
    total = shared.sum(axis=1)
    lost = np.flatnonzero((w > 0) & (total == 0))
    if len(lost):
        k = int(lost[w[lost].argmax()])
        raise ValueError(
            f"{names[k]!r} has a weight of {w[k]:.3g}, and none of its documents is in the new partition: "
            "label them there, or take the domain out of the mixture"
        )
    return np.asarray((w / np.maximum(total, 1.0)) @ shared)
