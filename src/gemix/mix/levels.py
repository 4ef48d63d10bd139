"""Mixing at a coarser level: domains that move together as nodes; `gemix.mix.project` leads back to the domains.

A node is any group of domains. Inside a node the ratios stay those of the corpus: domain k of node n has the weight

    w_k = W_n t_k / T_n,    T_n = sum of t_k in n  (tokens)

so all domains of a node are passed over equally often, as often as the node: w_k / t_k = W_n / T_n. Bounds carry over
without loss: floor_k <= w_k <= cap_k for every k in n means

    max_k floor_k T_n / t_k  <=  W_n  <=  min_k cap_k T_n / t_k.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gemix.mix.domain_ids import domain_key
from gemix.mix.partition import Partition, read_csv, read_partition

NODE = "node"


def coarsen(partition: Partition, nodes: Sequence[str], titles: Mapping[str, str] | None = None) -> Partition:
    """Return the table of the nodes, in the order in which they first appear.

    Args:
        partition: K domains.
        nodes: the node that each domain belongs to, K keys.
        titles: what people call the nodes, by key.

    Raises:
        ValueError: a domain without tokens has a floor, so no mixture of nodes can reach it.

    """
    names = list(dict.fromkeys(nodes))
    of_domain = _index(nodes, names)
    tokens = _sums(partition.tokens, of_domain, len(names))
    documents = None if partition.documents is None else _sums(partition.documents, of_domain, len(names))
    floor, cap = np.zeros(len(names)), np.ones(len(names))
    for k, n in enumerate(of_domain.tolist()):
        if partition.tokens[k]:
            scale = tokens[n] / partition.tokens[k]
            floor[n] = max(floor[n], partition.floor[k] * scale)
            cap[n] = min(cap[n], partition.cap[k] * scale)
        elif partition.floor[k]:
            raise ValueError(f"domain {partition.keys[k]!r} has a floor of {partition.floor[k]:g} but no tokens")
    sizes = None if partition.bytes is None else _sums(partition.bytes, of_domain, len(names))
    called = None if titles is None else [titles[name] for name in names]
    identity = None if partition.identity is None else f"{partition.identity}/{len(names)}"
    return Partition(names, documents, tokens, floor, cap, called, sizes, partition.counter, identity)


def shared_tokens(partition: Partition, nodes: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the nodes in the order in which they first appear, and the tokens that each domain has in each, (K, N).

    Args:
        partition: K domains.
        nodes: the node that each domain belongs to, K keys.

    """
    names = list(dict.fromkeys(nodes))
    shared = np.zeros((len(nodes), len(names)), np.int64)
    shared[np.arange(len(nodes)), _index(nodes, names)] = partition.tokens
    return names, shared


def read_nodes(path: Path) -> tuple[Partition, list[str]]:
    """Read a table of domains with a column `node`: return the domains, and the node that each belongs to.

    Raises:
        ValueError: no such column, a domain without node, or what `read_partition` refuses.

    """
    partition = read_partition(path)
    rows, columns = read_csv(path, path.read_bytes())
    if NODE not in columns:
        raise ValueError(f"{path}: no column {NODE!r}; there are {', '.join(columns)}")
    for line, row in rows:
        if not row[NODE]:
            raise ValueError(f"{path}, row {line}: the domain belongs to no {NODE}")
    nodes = [row[NODE] for _, row in rows]
    return partition, [domain_key(int(node)) for node in nodes] if all(map(str.isdecimal, nodes)) else nodes


def _index(nodes: Sequence[str], names: Sequence[str]) -> NDArray[np.intp]:
    place = {name: n for n, name in enumerate(names)}
    return np.array([place[node] for node in nodes], dtype=np.intp)


def _sums(counts: NDArray[np.int64], of_domain: NDArray[np.intp], nodes: int) -> NDArray[np.int64]:
    out = np.zeros(nodes, dtype=np.int64)
    np.add.at(out, of_domain, counts)
    return out
