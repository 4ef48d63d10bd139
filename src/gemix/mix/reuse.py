"""Mixture reuse: when the domains change, keep the ratios of those that did not (olmix, arXiv 2602.12237).

An old mixture has the unchanged domains U (in both partitions), the removed (only in the old one) and, in the new
partition, the parts of split domains and the added ones. What is kept is r_k = w_k / sum_U w: the ratios inside U.
What is recomputed is small: one virtual domain that stands for U, and the parts and the added domains.

- `carry` recomputes without any run: a split domain's weight goes to its parts by their tokens; added domains get
  their natural shares; the old ratios share the rest, and what was removed is gone (its weight goes to all others in
  proportion).
- `reduce` gives the small partition [virtual, affected ...] on which any strategy can be run, with the virtual
  domain's bounds such that expanding it never breaks those of U; `expand` undoes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gemix.mix.box import Box, Floats, project
from gemix.mix.domain_ids import find_domains
from gemix.mix.mixture import Mixture
from gemix.mix.partition import Partition

VIRTUAL: Final = "existing"


@dataclass(frozen=True)
class Reuse:
    """What stays of an old mixture in a new partition.

    Attributes:
        partition: the new one.
        kept: (U,) indices in it of the unchanged domains.
        ratios: (U,) their ratios, sum 1.
        affected: (A,) indices of all others: added, or parts of split ones.
        parts: child -> parent.
        old: the old weights.

    """

    partition: Partition
    kept: np.ndarray
    ratios: Floats
    affected: np.ndarray
    parts: dict[str, str]
    old: dict[str, float]


def known_weights(mixture: Mixture, partition: Partition) -> dict[str, float]:
    """Return the weights of an old mixture by the keys of the new partition; what is not in it goes by its name.

    Raises:
        ValueError: a name that several domains have.

    """
    weights: dict[str, float] = {}
    for entry in mixture.domains:
        name = entry.name or entry.domain
        wanted = [entry.domain] if entry.domain in partition.keys else [name]
        (place,) = find_domains(wanted, partition.keys, partition.titles)
        weights[name if place is None else partition.keys[place]] = entry.weight
    return weights


def match(old: Mapping[str, float], partition: Partition, splits: Mapping[str, Sequence[str]] | None = None) -> Reuse:
    """Return what an old mixture says about a new partition.

    Args:
        old: domain -> weight, sum 1.
        partition: the new domains; same name, same domain.
        splits: old domain -> new domains that it was split into.

    Raises:
        ValueError: a split that does not fit the two partitions, or nothing to keep.

    """
    parts: dict[str, str] = {}
    new = set(partition.keys)
    for parent, children in (splits or {}).items():
        if parent not in old:
            raise ValueError(f"the old mixture has no domain {parent!r} to split")
        if parent in new:
            raise ValueError(f"domain {parent!r} was split but is still in the new partition")
        for child in children:
            if child not in new:
                raise ValueError(f"domain {parent!r} was split into {child!r}, which the new partition does not have")
            if child in parts or child in old:
                raise ValueError(f"domain {child!r} cannot be a part of {parent!r}: it has another origin already")
            parts[child] = parent
    kept = np.array([k for k, name in enumerate(partition.keys) if name in old], np.intp)
    weights = np.array([old[partition.keys[k]] for k in kept])
    if weights.sum() <= 0:
        raise ValueError(
            "no domain of the old mixture with a positive weight is in the new partition: nothing to reuse"
        )
    affected = np.array([k for k, name in enumerate(partition.keys) if name not in old], np.intp)
    return Reuse(partition, kept, weights / weights.sum(), affected, parts, dict(old))


def carry(reuse: Reuse, box: Box) -> Floats:
    """Return the mixture for the new partition without any new run, (K,), projected to the box.

    Raises:
        ValueError: a split domain whose parts have no tokens.

    """
    partition = reuse.partition
    ratios = np.zeros(len(partition.keys))
    for k in reuse.kept:
        ratios[k] = reuse.old[partition.keys[k]]
    for parent in dict.fromkeys(reuse.parts.values()):
        children = [k for k, name in enumerate(partition.keys) if reuse.parts.get(name) == parent]
        tokens = partition.tokens[children].astype(float)
        if tokens.sum() == 0:
            raise ValueError(f"the parts of {parent!r} have no tokens")
        ratios[children] = reuse.old[parent] * tokens / tokens.sum()
    added = [k for k in reuse.affected if partition.keys[k] not in reuse.parts]
    shares = partition.shares[added]
    ratios *= (1 - shares.sum()) / ratios.sum()
    ratios[added] = shares
    return project(ratios, box)


def reduce(reuse: Reuse, box: Box) -> tuple[Partition, Box]:
    """Return the small partition [virtual, affected ...] and its box.

    The virtual domain holds all that is kept at weight x: x r_k must lie in the bounds of every k. Its tokens are those
    of U that can be used before the scarcest domain runs out, so that epochs mean the same: x = min_k tokens_k / r_k.

    Raises:
        ValueError: the virtual name is taken, or no mixture keeps the ratios within the bounds.

    """
    partition, kept, affected, r = reuse.partition, reuse.kept, reuse.affected, reuse.ratios
    names = [VIRTUAL, *(partition.keys[k] for k in affected)]
    if VIRTUAL in names[1:]:
        raise ValueError(f"a domain is called {VIRTUAL!r}, which stands for the unchanged ones: rename it")
    if box.groups:
        raise ValueError("runs on the changed domains alone cannot keep bounds on groups: leave these out")
    live = r > 0
    cap = min(1.0, float((box.cap[kept][live] / r[live]).min()))
    floor = float((box.floor[kept][live] / r[live]).max())
    if np.any(box.floor[kept][~live] > 0):
        raise ValueError("an unchanged domain has weight 0 in the old mixture and a floor in the new partition")
    small = Box(tuple(names), np.r_[floor, box.floor[affected]], np.r_[cap, box.cap[affected]])
    usable = int((partition.tokens[kept][live] / r[live]).min())
    documents = None
    if partition.documents is not None:
        documents = np.r_[partition.documents[kept].sum(), partition.documents[affected]]
    tokens = np.r_[usable, partition.tokens[affected]].astype(np.int64)
    return Partition(names, documents, tokens, small.floor, small.cap, counter=partition.counter), small


def expand(reuse: Reuse, weights: Mapping[str, float]) -> Floats:
    """Return the mixture over the new partition, (K,), from one over the small partition.

    Raises:
        ValueError: its domains are not those of the small partition.

    """
    names = [VIRTUAL, *(reuse.partition.keys[k] for k in reuse.affected)]
    if set(weights) != set(names):
        raise ValueError(f"the solution must have the domains {', '.join(names)}, not {', '.join(weights)}")
    w = np.zeros(len(reuse.partition.keys))
    w[reuse.kept] = weights[VIRTUAL] * reuse.ratios
    w[reuse.affected] = [weights[name] for name in names[1:]]
    return w
