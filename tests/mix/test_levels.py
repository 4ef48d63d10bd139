from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.levels import coarsen, read_nodes, shared_tokens
from gemix.mix.partition import Partition, read_partition, write_partition
from gemix.mix.project import carry_over


def expand(weights: dict[str, float], partition: Partition, nodes: list[str]) -> np.ndarray:
    heads, shared = shared_tokens(partition, nodes)
    return carry_over([weights[name] for name in heads], shared.T, heads)


def partition_of(tokens: list[int], floor: list[float] | None = None, cap: list[float] | None = None) -> Partition:
    k = len(tokens)
    return Partition(
        [f"d{i}" for i in range(k)],
        np.arange(1, k + 1),
        np.array(tokens, np.int64),
        np.zeros(k) if floor is None else np.array(floor),
        np.ones(k) if cap is None else np.array(cap),
    )


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Partition, list[str]]:
    k = draw(st.integers(1, 12))
    tokens = draw(st.lists(st.integers(1, 10**12), min_size=k, max_size=k))
    nodes = draw(st.lists(st.sampled_from("abcd"), min_size=k, max_size=k))
    floors = draw(st.lists(st.just(0.0) | st.floats(1e-9, 0.05), min_size=k, max_size=k))
    caps = draw(st.lists(st.floats(0.1, 1), min_size=k, max_size=k))
    return partition_of(tokens, floors, caps), nodes


@settings(max_examples=150, deadline=None)
@given(grouped(), st.data())
def test_weights_sum_back_and_epochs_are_equal_inside_a_node(
    case: tuple[Partition, list[str]], data: st.DataObject
) -> None:
    partition, nodes = case
    coarse = coarsen(partition, nodes)
    assert coarse.names == list(dict.fromkeys(nodes))
    assert (coarse.tokens.sum(), coarse.documents.sum()) == (partition.tokens.sum(), partition.documents.sum())
    raw = data.draw(st.lists(st.floats(0.01, 1), min_size=len(coarse.names), max_size=len(coarse.names)))
    w = np.array(raw) / sum(raw)
    fine = expand(dict(zip(coarse.names, w.tolist(), strict=True)), partition, nodes)
    for name, weight in zip(coarse.names, w, strict=True):
        inside = np.array([node == name for node in nodes])
        assert fine[inside].sum() == pytest.approx(weight)
        np.testing.assert_allclose(fine[inside] / partition.tokens[inside], weight / partition.tokens[inside].sum())


@settings(max_examples=150, deadline=None)
@given(grouped(), st.floats(0, 1))
def test_bounds_of_nodes_are_those_of_their_domains(case: tuple[Partition, list[str]], where: float) -> None:
    partition, nodes = case
    coarse = coarsen(partition, nodes)
    for n, name in enumerate(coarse.names):
        if coarse.floor[n] > coarse.cap[n]:
            continue  # no mixture of nodes can do it, and the box says so
        inside = np.array([node == name for node in nodes])
        alone = dict.fromkeys(coarse.names, 0.0)
        for weight, fits in (
            (coarse.floor[n] + where * (coarse.cap[n] - coarse.floor[n]), True),
            (coarse.cap[n] * 1.01, False),
            (coarse.floor[n] * 0.99, coarse.floor[n] == 0),
        ):
            fine = expand(alone | {name: weight}, partition, nodes)[inside]
            allowed = np.all(fine >= partition.floor[inside] * (1 - 1e-9)) and np.all(
                fine <= partition.cap[inside] * (1 + 1e-9)
            )
            assert allowed == fits or (weight > 1 and coarse.cap[n] == 1)


def test_natural_shares_stay_natural() -> None:
    partition, nodes = partition_of([10, 30, 60, 100]), ["a", "b", "a", "b"]
    coarse = coarsen(partition, nodes)
    assert coarse.shares.tolist() == [0.35, 0.65]
    weights = dict(zip(coarse.names, coarse.shares.tolist(), strict=True))
    np.testing.assert_allclose(expand(weights, partition, nodes), partition.shares)


def test_domains_and_nodes_without_tokens() -> None:
    partition, nodes = partition_of([5, 0, 0]), ["a", "a", "b"]
    assert coarsen(partition, nodes).tokens.tolist() == [5, 0]
    assert expand({"a": 1.0, "b": 0.0}, partition, nodes).tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"'b' has a weight of 0\.5, and none of its documents"):
        expand({"a": 0.5, "b": 0.5}, partition, nodes)
    with pytest.raises(ValueError, match=r"domain 'd1' has a floor of 0\.1 but no tokens"):
        coarsen(partition_of([5, 0], [0, 0.1]), ["a", "a"])


def test_tables(tmp_path: Path) -> None:
    table = tmp_path / "leaves.csv"
    table.write_text("domain,tokens,name,cap,node\n0,10,web,0.5,a\n1,30,code,,b\n2,20,math,,a\n")
    partition, nodes = read_nodes(table)
    assert (partition.names, nodes) == (["web", "code", "math"], ["a", "b", "a"])
    coarse = tmp_path / "coarse.csv"
    coarse.write_text(write_partition(coarsen(partition, nodes)))
    found = read_partition(coarse)
    assert (found.names, found.tokens.tolist()) == (["a", "b"], [30, 30])
    assert found.cap.tolist() == [1.0, 1.0]  # 0.5 x 30 / 10 is no bound
    table.write_text("domain,tokens\nweb,1\n")
    with pytest.raises(ValueError, match=r"leaves\.csv: no column 'node'; there are domain, tokens"):
        read_nodes(table)
    table.write_text("domain,tokens,node\nweb,1,\n")
    with pytest.raises(ValueError, match="row 2: the domain belongs to no node"):
        read_nodes(table)
