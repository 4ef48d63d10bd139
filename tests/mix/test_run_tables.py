import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.formats import FORMATS, read_weights
from gemix.mix.read_runs import read_metrics, read_runs
from gemix.mix.tables import RunTable, join
from gemix.mix.write_runs import TABLE_FORMATS, write_runs

REGMIX = Path(__file__).resolve().parents[3] / "shared" / "data" / "regmix"


RATIOS = "run,name,a,b\nr2,second,0.25,0.75\nr1,first,0.5,0.5\nr3,third,1,0\n"
METRICS = "run,name,loss,acc\nr1,first,1.0,10\nr9,lost,9,90\nr2,second,2.0,20\n"


def test_runs_are_joined_by_id_and_not_by_position(files):
    table = read_runs(*files(ratios_csv=RATIOS, metrics_csv=METRICS))
    assert table.ids == ["r2", "r1"]
    assert table.domains == ["a", "b"]
    assert table.W.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert table.metrics["loss"].tolist() == [2.0, 1.0]
    assert table.metrics["acc"].tolist() == [20, 10]
    assert any("1 mixtures have no metrics and are left out: r3" in note for note in table.notes)
    assert any("1 runs with metrics have no mixture and are left out: r9" in note for note in table.notes)
    assert set(table.sources) == {"ratios.csv", "metrics.csv"}


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(6)), st.permutations(range(6)))
def test_the_order_of_rows_never_matters(order_w, order_m):
    w, y = np.random.default_rng(0).dirichlet(np.ones(3), 6), np.arange(6.0)
    mixtures = RunTable([f"r{i}" for i in order_w], list("abc"), w[list(order_w)])
    metrics = RunTable([f"r{i}" for i in order_m], [], np.zeros((6, 0)), {"loss": y[list(order_m)]})
    joined = join(mixtures, metrics)
    for i, name in enumerate(joined.ids):
        k = int(name[1:])
        assert np.array_equal(joined.W[i], w[k])
        assert joined.metrics["loss"][i] == k


def test_domains_are_aligned_by_name(files):
    (path,) = files(ratios_csv=RATIOS)
    assert read_runs(path, domains=["b", "a"]).W.tolist() == [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]]
    with pytest.raises(ValueError, match="c only in the partition; b only in the mixtures"):
        read_runs(path, domains=["a", "c"])


def test_missing_values_are_counted_and_left_out_where_they_matter(files):
    mixtures, metrics = files(
        ratios_csv="run,a,b\n1,1,0\n2,0,1\n3,0.5,0.5\n4,0.1,0.9\n",
        metrics_csv="run,loss,acc\n1,nan,1\n2,2.5,\n3,inf,3\n4,4.5,4\n",
    )
    table = read_runs(mixtures, metrics)
    assert "metrics.csv: metric 'loss' has no finite value for 2 of 4 runs" in table.notes
    assert "metrics.csv: metric 'acc' has no finite value for 1 of 4 runs" in table.notes
    runs, values = table.targets(["loss"])
    assert runs.ids == ["2", "4"]
    assert values.tolist() == [[2.5], [4.5]]
    assert "2 of 4 runs left out, no finite loss: 1, 3" in runs.notes
    assert runs.targets(["acc"])[0].ids == ["4"]
    with pytest.raises(ValueError, match="no metric is called 'bpb'; there are acc, loss"):
        table.targets(["bpb"])


@pytest.mark.parametrize(
    ("mixtures", "metrics", "message"),
    [
        ("run,a,b\n1,1,0\n1,0,1\n", METRICS, r"ratios.csv, row 3: run '1' stands in .*row 2 already"),
        ("run,a,b\n,1,0\n", METRICS, r"row 2: the run has no id"),
        ("run,a,b\n1,1.5,-0.5\n", METRICS, r"row 2: the weight of 'b' must be a number >= 0, not -0.5"),
        ("run,a,b\n1,1,\n2,0,1\n", METRICS, r"row 2: the weight of 'b' must be a number >= 0, not nan"),
        ("run,a,b\n1,1,x\n2,0,1\n", METRICS, r"row 2: b must be a number or empty, not 'x'"),
        ("key,a,b\n1,1,0\n", METRICS, r"no column of ids"),
        ("run,name\n1,x\n", METRICS, "no domains"),
        (RATIOS, "run,loss\nr1,1\nr1,2\n", r"metrics.csv, row 3: run 'r1' stands in .*row 2 already"),
        (RATIOS, "run,loss\nr1,low\nr2,1\n", r"metrics.csv, row 2: loss must be a number or empty, not 'low'"),
        (RATIOS, "run,loss\nr1,low\n", r"no metrics; metrics.csv: columns without numbers are left out: loss"),
        (RATIOS, "run,loss\n,1\n", r"metrics.csv, row 2: the run has no id"),
        (RATIOS, "run,loss\nx,1\n", r"no run is in both tables: the mixtures have r2, r1, r3, the metrics have x"),
        (RATIOS, "run\nr1\n", "no metrics"),
    ],
)
def test_bad_tables_name_file_and_row(files, mixtures, metrics, message):
    with pytest.raises(ValueError, match=message):
        read_runs(*files(ratios_csv=mixtures, metrics_csv=metrics))


def test_regmix_prefixes_go_when_all_columns_have_them(files):
    table = read_runs(
        *files(
            mixture_csv="index,train_web,train_code\n1,0.5,0.5\n",
            loss_csv="index,metric/web_val_loss\n1,3.5\n",
        )
    )
    assert table.domains == ["web", "code"]
    assert table.metrics == {"web_val_loss": np.array([3.5])}
    (path,) = files(ratios_csv="run,train_web,web\n1,0.5,0.5\n")
    assert read_runs(path).domains == ["train_web", "web"]


names = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="_-."), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    domains=st.lists(names.filter(lambda n: n != "EOF"), min_size=1, max_size=8, unique=True),
    seed=st.integers(0, 10**6),
    form=st.sampled_from(sorted(FORMATS)),
)
def test_single_mixtures_survive_the_round_trip(domains, seed, form):
    w = np.random.default_rng(seed).dirichlet(np.full(len(domains), 0.5))
    w[w < 1e-12] = 0
    w /= w.sum()
    weights = dict(zip(domains, w.tolist(), strict=True))
    back = read_weights(FORMATS[form].write(weights), FORMATS[form].suffix)
    if form == "climb":  # leaves out what has no weight
        weights = {domain: weight for domain, weight in weights.items() if weight > 0}
    assert list(back) == list(weights)
    assert list(back.values()) == pytest.approx(list(weights.values()), rel=1e-14)


@pytest.mark.parametrize("to", [*TABLE_FORMATS, *FORMATS])
def test_tables_survive_the_round_trip_on_disk(tmp_path, to):
    w = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    w[0] = [0, 0.5, 0.5]
    table = RunTable([str(i + 1) for i in range(12)], ["web", "code", "math"], w, {"loss": np.arange(12.0)})
    files = write_runs(table, to)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    if to in TABLE_FORMATS:
        first, second = (tmp_path / name for name in files)
        back = read_runs(first, second)
        assert back.metrics["loss"].tolist() == list(range(12))
    else:
        assert len(files) == 12
        back = read_runs(tmp_path, domains=table.domains)
    assert [name.removeprefix("random") for name in back.ids] == table.ids
    assert back.domains == table.domains
    assert pytest.approx(w, rel=1e-12) == back.W
    assert back.notes == []


def test_the_formats_are_those_of_their_projects():
    weights = {"web": 0.75, "code": 0.25, "none": 0.0}
    assert FORMATS["climb"].write(weights) == "#!/bin/bash\ncat <<EOF\n0.75 web\n0.25 code\nEOF\n"
    assert json.loads(FORMATS["doremi"].write(weights))["train_domain_weights"] == weights
    assert json.loads(FORMATS["weborganizer"].write(weights))[1] == {"domain": "code", "weight": 0.25}
    assert FORMATS["regmix"].write(weights).startswith("train:\n  train_web: 0.75\n  train_code: 0.25\n")


def test_files_of_the_projects_themselves_are_read():
    climb = "#!/bin/bash\ncat <<EOF\n0.9 /data/climb/domains/cluster_1\n0.1 /data/climb/domains/cluster_7\nEOF\n"
    assert read_weights(climb, ".sh") == {"cluster_1": 0.9, "cluster_7": 0.1}
    joint = '[{"domain": ["Games", "News"], "weight": 0.4}, {"domain": ["Games", "FAQs"], "weight": 0.6}]'
    assert read_weights(joint, ".json") == {"Games / News": 0.4, "Games / FAQs": 0.6}
    regmix = (
        "train:\n  train_arxiv: 0.25\n  train_web: 0.75\nvalid:\n  valid_web: 1.0\nseed: 42\nmodel_name: tinyllama_1M"
    )
    assert read_weights(regmix, ".yaml") == {"arxiv": 0.25, "web": 0.75}


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ("{", ".json", "not JSON"),
        ("{}", ".json", "no mixture"),
        ("[]", ".json", "empty"),
        ('{"train_domain_weights": {"a": 1, "a": 2}}', ".json", "'a' stands twice"),
        ('{"train_domain_weights": {"a": "x"}}', ".json", "domain 'a': the weight must be"),
        ('{"train_domain_weights": {"a": NaN}}', ".json", "domain 'a'"),
        ('{"train_domain_weights": {}}', ".json", "must hold"),
        ('[{"domain": "a", "weight": 1}, {"domain": "a", "weight": 0}]', ".json", "'a' stands twice"),
        ('[{"domain": "a", "weight": -1}]', ".json", "domain 'a'"),
        ('{"strategy": "x", "domains": [{"domain": "a", "weight": 0.5}]}', ".json", "sum to 0.5"),
        ("train: [1, 2]", ".yaml", "must hold"),
        ("train:\n  a: 1\n  a: 2\n", ".yaml", "stands twice"),
        ("valid: 1", ".yaml", "under 'train'"),
        ("a: b: c", ".yaml", "not YAML"),
        ("!!python/object/apply:os.system ['true']", ".yaml", "not YAML"),
        ("cat <<EOF\nrm -rf x y\nEOF\n", ".sh", "line 2 is not a weight and a path"),
        ("cat <<EOF\n0.5 a\n0.5 b/a\nEOF\n", ".sh", "line 3: domain 'a' stands twice"),
        ("#!/bin/bash\n", ".sh", "no line"),
        ("x", ".txt", "no format"),
    ],
)
def test_bad_files_of_one_mixture_say_what_is_wrong(tmp_path, text, suffix, message):
    path = tmp_path / f"n1{suffix}"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_runs(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("domain", ["two words", "a$(rm x)", "`x`", "EOF", "a/b", "#x"])
def test_names_that_a_shell_would_interpret_are_never_written(domain):
    with pytest.raises(ValueError, match="cannot stand in a shell script"):
        FORMATS["climb"].write({domain: 1.0})


def test_a_folder_is_read_in_natural_order_and_ids_are_numbers(tmp_path):
    for i in (1, 2, 10):
        (tmp_path / f"n{i}.yaml").write_text(f"train:\n  train_a: {i / 10}\n  train_b: {1 - i / 10}\n")
    table = read_runs(tmp_path)
    assert table.ids == ["1", "2", "10"]
    assert table.W[:, 0] == pytest.approx([0.1, 0.2, 1.0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no mixtures"):
        read_runs(tmp_path / "empty")


def test_an_id_cannot_name_a_file_elsewhere():
    table = RunTable(["../x"], ["a"], np.ones((1, 1)))
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        write_runs(table, "doremi")
    with pytest.raises(ValueError, match="no format is called 'excel'"):
        write_runs(table, "excel")


@pytest.mark.skipif(not REGMIX.exists(), reason="RegMix's published runs are not on this machine")
def test_reads_regmix_published_runs():
    table = read_runs(REGMIX / "train_mixture_1m.csv", REGMIX / "train_pile_loss_1m.csv")
    assert table.W.shape == (512, 17)
    assert len(table.metrics) == 13
    assert table.domains[0] == "the_pile_arxiv"
    assert table.metrics["the_pile_arxiv_val_loss"][0] == 7.0255866050720215
    assert table.W[0, table.domains.index("the_pile_pile_cc")] == pytest.approx(0.787)
    assert len(table.notes) == 1
    assert "renormalised" in table.notes[0]
    runs, values = table.targets(list(table.metrics))
    assert values.shape == (512, 13)
    assert len(runs.ids) == 512
    assert read_metrics(REGMIX / "test_pile_loss_1m.csv").ids == [str(i + 1) for i in range(256)]
