import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from support import clustered, store_settings
from typer.testing import CliRunner

from gemix.cli.command import command
from gemix.cli.sweep import sweep
from gemix.report.sweep_figure import sweep_figure
from gemix.runtime.errors import GemixError
from gemix.sphere import sweep as sphere_sweep
from gemix.sphere.sweep_result import Setting, Sweep, recommend

app = typer.Typer()
app.command()(command(ValueError)(sweep))


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder after `gemix embed`."""
    x, _ = clustered(400, 16, 4, 0.15, seed=0, skew=0.0)
    (tmp_path / "embeddings").mkdir()
    np.save(tmp_path / "embeddings" / "seed.npy", x.astype(np.float16))
    pq.write_table(pa.table({"tokens": np.arange(400)}), tmp_path / "seed.parquet")
    store_settings(tmp_path, seed=3, n_init=2)
    return tmp_path


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def result(ks=(4, 8, 16), balances=(0.0, "auto", 500.0)) -> Sweep:
    settings = tuple(
        Setting(k, b, 7.0, 0.8, 1.2, k - 0.1, 10.0 + k, 0.5, 0.02, 0.6, np.nan if k == 4 else 0.1, 1.0)
        for k in ks
        for b in balances
    )
    return Sweep(settings, recommend(settings, 1.5), 90, 10, 3)


def test_it_writes_a_table_the_numbers_and_a_figure(run):
    found = invoke(run, "--clusters", "2,4", "--balance", "auto, 500")
    assert found.exit_code == 0, found.output
    assert "Recommended: **K = 4 with balance" in found.output
    assert (run / "sweep.md").read_text() in found.output
    with open(run / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["n_clusters"], row["balance"]) for row in rows] == [
        ("2", "auto"), ("2", "500.0"), ("4", "auto"), ("4", "500.0")
    ]  # fmt: skip
    assert [row["recommended"] for row in rows].count("True") == 1
    assert (run / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert not list(run.glob(".*tmp*"))


def test_it_goes_by_the_settings_of_the_run(run, monkeypatch, tmp_path):
    store_settings(run, seed=3, n_init=2, balance_by="tokens")
    seen = {}

    def recording(X, clusters, balances, **options):
        seen.update(options, X=X, clusters=clusters, balances=balances)
        return result()

    monkeypatch.setattr(sphere_sweep, "sweep", recording)
    assert invoke(run, "-k", "5,6", "--balance", "0,inf", "--sample", 77, "--out", tmp_path / "o").exit_code == 0
    assert (seen["clusters"], seen["balances"], seen["sample"]) == ([5, 6], [0.0, np.inf], 77)
    assert (seen["random_state"], seen["n_init"], seen["solver"]) == (3, 2, "exact")
    assert isinstance(seen["X"], np.memmap)
    np.testing.assert_array_equal(seen["sample_weight"], np.maximum(np.arange(400), 1))
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["sweep.csv", "sweep.md", "sweep.png"]
    assert invoke(run, "--seed", 9).exit_code == 0
    assert seen["random_state"] == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clusters", "8,x"], "--clusters is positive integers"),
        (["--clusters", "0"], "--clusters is positive integers"),
        (["--balance", "strong"], "balance"),
        (["--balance", "-3"], "balance"),
        (["--clusters", "300"], "K = 300 needs at least 300 documents"),
    ],
)
def test_bad_arguments_are_a_message(run, arguments, message):
    found = invoke(run, *arguments)
    assert found.exit_code == 1
    assert message in found.output
    assert "Traceback" not in found.output
    assert not (run / "sweep.md").exists()


def test_a_run_without_embeddings_is_a_message(tmp_path, run):
    assert "gemix embed" in invoke(tmp_path / "nowhere").output
    (run / "embeddings" / "seed.npy").write_bytes(b"not an array")
    found = invoke(run)
    assert found.exit_code == 1
    assert "seed.npy is not an array" in found.output


def test_figure_has_four_panels_and_a_line_a_balance(tmp_path):
    path = sweep_figure(result(), tmp_path / "sweep.svg")
    assert path == tmp_path / "sweep.svg"
    text = path.read_text()
    ElementTree.fromstring(text)
    assert text.count('id="axes_') == 4
    assert text == sweep_figure(result(), tmp_path / "again.svg").read_text()
    # Legend entries: drawn as glyphs, kept as comments.
    for words in ("balance 0", "balance auto", "balance 500", "Recommended (ringed): K = 16 with balance 0"):
        assert f"<!-- {words} -->" in text
    sweep_figure(result(ks=(4,), balances=("auto",)), tmp_path / "one.png")
    with pytest.raises(GemixError, match=r"\.png or \.svg"):
        sweep_figure(result(), tmp_path / "sweep.pdf")
