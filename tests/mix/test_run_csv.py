"""Tables of runs as spreadsheets and data frames write them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.read_runs import read_runs
from gemix.mix.tables import sums_to_1


def test_rounding_is_mended_with_a_note_and_nothing_else(files):
    (path,) = files(ratios_csv="run,a,b\n1,0.5,0.495\n2,0.505,0.495\n3,0.333,0.666\n")
    with pytest.raises(ValueError, match=r"ratios.csv, row 2: the weights of run '1' sum to 0.995, not to 1 \(1 of 3"):
        read_runs(path)
    (path,) = files(ratios_csv="run,a,b\n2,0.505,0.495\n3,0.333,0.666\n")
    table = read_runs(path)
    assert table.W.sum(axis=1) == pytest.approx(1, abs=1e-15)
    assert table.W[1] == pytest.approx([1 / 3, 2 / 3])
    assert table.notes == ["ratios.csv: 1 of 2 mixtures renormalised, they sum to 1 within 0.001"]


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 10**6))
def test_what_rounding_does_is_always_within_its_bound(domains, digits, seed):
    w = np.random.default_rng(seed).dirichlet(np.ones(domains), 5).round(digits)
    if domains / 2 * 10.0**-digits < 0.25:
        assert sums_to_1(w)
        assert sums_to_1((w * 100).round(digits))
    w[2] *= 1.5
    assert not sums_to_1(w)


def test_percentages_are_divided_with_a_note(files):
    (path,) = files(ratios_csv="run,a,b\n1,33.3,66.6\n2,50,50\n")
    table = read_runs(path, domains=["a", "b"])
    assert pytest.approx(np.array([[1 / 3, 2 / 3], [0.5, 0.5]])) == table.W
    assert table.notes[0] == "ratios.csv: the weights are percentages and were divided by 100"
    (path,) = files(ratios_csv="run,a,b\n1,33.4 %,66.6%\n2,50%,50%\n")
    assert pytest.approx(np.array([[0.334, 0.666], [0.5, 0.5]])) == read_runs(path).W
    (path,) = files(ratios_csv="run,a,b\n1,33,67\n2,0.5,0.5\n")
    with pytest.raises(ValueError, match="row 2: the weights of run '1' sum to 100, not to 1"):
        read_runs(path)


def test_columns_of_words_are_named_and_left_out(files):
    table = read_runs(
        *files(
            ratios_csv="run,recipe,a,b,done\n1,first,1,0,True\n2,other,0,1,False\n",
            metrics_csv="run,loss,notes\n1,2.5,\n2,N/A,died\n",
        ),
        domains=["a", "b"],
    )
    assert list(table.metrics) == ["loss"]
    assert table.metrics["loss"].tolist() == pytest.approx([2.5, np.nan], nan_ok=True)
    assert "ratios.csv: columns without numbers are left out: recipe, done" in table.notes
    assert "metrics.csv: columns without numbers are left out: notes" in table.notes


@pytest.mark.parametrize("index", ["Unnamed: 0", ""])
def test_the_index_of_a_data_frame_is_an_id_and_no_domain(files, index):
    mixtures, metrics = files(
        ratios_csv=f"{index},a,b\n0,1,0\n1,0,1\n", metrics_csv=f"{index},run,loss\n7,0,2.5\n8,1,3.5\n"
    )
    table = read_runs(mixtures, metrics)
    assert (table.domains, table.ids, table.metrics["loss"].tolist()) == (["a", "b"], ["0", "1"], [2.5, 3.5])


def test_numbers_join_however_they_are_written(files):
    mixtures, metrics = files(
        ratios_csv="run,a,b\n0,1,0\n 1,0,1\n002,0.5,0.5\n", metrics_csv="run,loss\n2,3\n0.0,1\n1.0 ,2\n"
    )
    assert read_runs(mixtures, metrics).metrics["loss"].tolist() == [1, 2, 3]
    # 1 and 1.0 are two runs here, so every id stands for itself.
    mixtures, metrics = files(ratios_csv="run,a,b\n1,1,0\n1.0,0,1\n", metrics_csv="run,loss\n1.0,3\n1,4\n")
    assert read_runs(mixtures, metrics).metrics["loss"].tolist() == [4, 3]


ALL = "model,train_a,b,loss,acc\n/x/n0,0.25,0.75,3.5,0.1\n/x/n1,1,0,2.5,\n"


def test_one_table_holds_domains_and_metrics(files):
    (path,) = files(all_csv=ALL)
    table = read_runs(path, None, domains=["domain-00", "domain-01"], names=["b", "a"])
    assert table.ids == ["/x/n0", "/x/n1"]
    assert table.W.tolist() == [[0.75, 0.25], [0, 1]]
    assert table.metrics["loss"].tolist() == [3.5, 2.5]
    assert "all.csv: metric 'acc' has no finite value for 1 of 2 runs" in table.notes
    same = read_runs(path, path, domains=["a", "b"])
    assert same.metrics["loss"].tolist() == [3.5, 2.5]
    (path,) = files(all_csv="a,b,loss\n1,0,3\n1,0,2\n")
    table = read_runs(path, None, domains=["a", "b"])
    assert (table.ids, table.notes) == (["1", "2"], ["all.csv: no column of ids, runs go by their place"])


def test_a_domain_that_the_partition_lacks_is_no_metric(files):
    (path,) = files(all_csv="run,a,b,c\n1,0.5,0.3,0.2\n2,0.2,0.2,0.6\n")
    with pytest.raises(ValueError, match=r"all.csv.*c only in the mixtures"):
        read_runs(path, None, domains=["a", "b"])
    with pytest.raises(ValueError, match=r"all.csv.*d only in the partition; c only in the mixtures"):
        read_runs(path, None, domains=["a", "b", "d"])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("run;a;b;loss\n1;0,25;0,75;3,5\n2;1;0;2,5\n", "utf-8-sig"),
        ("sep=;\r\nrun;a;b;loss;;\r\n1;0,25;0,75;3,5;;\r\n2;1;0;2,5;;\r\n", "utf-8-sig"),
        ("run\ta\tb\tloss\n1\t0.25\t0.75\t3.5\n2\t1\t0\t2.5\n", "utf-8"),
        ("run\ta\tb\tloss\n1\t0,25\t0,75\t3,5\n2\t1\t0\t2,5\n", "utf-16"),
        ('"run","a","b","loss"\r\n"1","0.25","0.75","3.5"\r\n"2","1","0","2.5"\r\n', "utf-8-sig"),
    ],
)
def test_tables_of_spreadsheets_are_read(tmp_path, text, encoding):
    path = tmp_path / "runs.csv"
    path.write_bytes(text.encode(encoding))
    table = read_runs(path, None, domains=["a", "b"])
    assert (table.ids, table.W.tolist()) == (["1", "2"], [[0.25, 0.75], [1, 0]])
    assert (table.metrics["loss"].tolist(), table.notes) == ([3.5, 2.5], [])
