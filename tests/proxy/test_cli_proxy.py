import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from proxy.proxy_folder import write_proxy_folder
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.cli.proxy_common import local_device
from gemix.mix.mixture import Mixture
from gemix.mix.read_runs import read_runs
from gemix.mix.strategies.doremi import bounded_step, doremi_replay
from gemix.proxy.dataset import read_data
from gemix.proxy.ngram import NgramProxy
from gemix.runtime.ranks import Rank

NAMES = ["cooking", "finance", "gardening", "sailing"]
TINY = ["--proxy", "transformer", "--preset", "tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("proxy")
    write_proxy_folder(place / "proxy")
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 6)
    lines = [",".join([f"r{i}", *map(repr, row)]) for i, row in enumerate(rows[:, ::-1].tolist())]
    (place / "mixtures.csv").write_text("\n".join(["run," + ",".join(NAMES[::-1]), *lines]) + "\n")
    return place


@pytest.fixture
def gemix(folder, tmp_path, monkeypatch):
    """Run a command where proxy/, domains.csv and mixtures.csv are; what it writes is this test's alone."""
    monkeypatch.chdir(tmp_path)
    for name in ("proxy", "domains.csv", "mixtures.csv"):
        (tmp_path / name).symlink_to(folder / name)

    def call(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output.replace("\n", " ")

    return call


def mixture(path: str = "mixture.json") -> Mixture:
    return Mixture.model_validate_json(Path(path).read_text())


def tokens() -> int:
    return sum(part.tokens for part in read_data(Path("proxy")).domains)


def test_run_trains_every_mixture_once(gemix):
    call = [
        "proxy",
        "run",
        "--token-data",
        "proxy",
        "--mixtures",
        "mixtures.csv",
        "--out",
        "swarm",
        "--proxy-tokens",
        "2e4",
    ]
    said = gemix(*call, "--dry-run")
    assert "6 runs of 20,000 tokens each, 120,000 in all: ngram of order 3" in said
    assert "0 of 6 runs are there" in said
    assert not Path("swarm").exists()
    assert "trained 6 runs now, 0 were done before" in gemix(*call)
    table = read_runs(Path("swarm/mixtures.csv"), Path("swarm/metrics.csv"), NAMES)
    given = read_runs(Path("mixtures.csv"), domains=NAMES)
    assert table.ids == given.ids
    model = NgramProxy(read_data(Path("proxy")))
    for row, law, poem in zip(given.W, table.metrics["law"], table.metrics["poem"], strict=True):
        assert [law, poem] == pytest.approx(model.train(row, 20_000))
    assert "6 of 6 runs are there" in gemix(*call, "--dry-run")
    assert "trained 0 runs now, 6 were done before" in gemix(*call)
    assert "budget_tokens: 20000 there, 30000 now" in gemix(*call[:-1], "3e4", code=1)


def test_ranks_from_flags_and_environment(gemix, monkeypatch):
    call = ["proxy", "run", "--token-data", "proxy", "--mixtures", "mixtures.csv", "--out", "swarm"]
    said = gemix(*call, "--rank", "1", "--world-size", "2")
    assert "rank 1 of 2: trained 3 runs now" in said
    assert "3 runs are left to other ranks" in said
    assert not Path("swarm/metrics.csv").exists()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "metrics.csv: 6 runs" in gemix(*call, "--rank", "auto")
    assert "this is a process of torchrun" in gemix(*call)
    monkeypatch.delenv("RANK")
    gemix(*call[:-1], "whole")
    assert Path("swarm/metrics.csv").read_bytes() == Path("whole/metrics.csv").read_bytes()
    assert not list(Path("swarm").glob("metrics.*.csv"))


def test_ranks_of_one_machine_take_gpus_in_turn():
    own = Rank(5, 8)
    assert local_device(own, {}, 4) == "cuda:1"
    for name in ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK"):
        assert local_device(own, {name: "3"}, 4) == "cuda:3"
    # One GPU or none: as if there were no ranks. Slurm may show each task its own.
    assert local_device(own, {"LOCAL_RANK": "3"}, 1) is None
    assert local_device(own, {"LOCAL_RANK": "3"}, 0) is None


def test_train_writes_a_checkpoint_and_its_losses(gemix):
    gemix("mix", "temperature", "domains.csv", "-t", "3")
    call = [
        "proxy",
        "train",
        "--token-data",
        "proxy",
        "--mixture",
        "mixture.json",
        "--out",
        "model",
        "--preset",
        "tiny",
    ]
    assert "1 run of 6,000 tokens, 6,000 in all: transformer tiny" in gemix(
        *call, "--proxy-tokens", "6000", "--dry-run"
    )
    said = gemix(*call, "--proxy-tokens", "6000")
    assert "bits per byte" in said
    from gemix.proxy.transformer.checkpoint import load_model

    data = read_data(Path("proxy"))
    record = json.loads(Path("model/losses.json").read_text())
    again = load_model(Path("model")).losses(data.held_out)
    for row, part, loss in zip(record["losses"], data.valid, again, strict=True):
        assert row["valid"] == part.name
        assert row["nats_per_token"] == pytest.approx(float(loss), rel=1e-5)
        assert row["nats_per_token"] < math.log(data.vocabulary)  # it learned something
        assert row["bits_per_byte"] == pytest.approx(row["nats_per_token"] * part.tokens / part.bytes / math.log(2))
    assert Path("model/tokenizer.json").read_bytes() == Path("proxy/tokenizer.json").read_bytes()
    assert record["budget_tokens"] == 6000


def test_regmix_from_data_to_mixture(gemix):
    call = ["mix", "regmix", "domains.csv", "--token-data", "proxy", "--runs", "40", "--check-runs", "6"]
    call += ["--target", "law", "--max-epochs", "4", "--budget", "100k"]
    said = gemix(*call, "--dry-run")
    assert f"70 runs of {tokens():,} tokens each" in said  # 8 seeds of three mixtures among them
    assert re.search(r"about [\d.e-]+ hours on this machine, by a run of [\d,]+ tokens that was timed", said)
    assert not Path("swarm").exists()
    assert not Path("swarm").exists()
    said = gemix(*call)
    assert "on 6 runs that were not fitted" in said
    assert "and so much of the tokens of every domain" in said
    assert "proxy epochs" in said
    found = mixture()
    assert found.keys == NAMES[::-1]
    table = read_runs(Path("swarm/mixtures.csv"), Path("swarm/metrics.csv"), found.keys)
    assert len(table.ids) == 46
    assert found.provenance["check_runs"]["runs"] == 6
    assert 0 < found.provenance["matched"] < 1
    grounds = found.grounds
    # law are the texts of cooking and gardening: more of these must help, and did, in fresh models too.
    assert (grounds.verdict, grounds.grade) == ("better", "trained")
    assert grounds.trained.seeds == 8
    assert 0 < grounds.trained.gain.low < grounds.trained.natural - grounds.trained.mixture
    assert sum(entry.weight - entry.share for entry in found.domains if entry.domain in ("cooking", "gardening")) > 0
    assert np.all(found.weights <= 4 * np.array([entry.tokens for entry in found.domains]) / 1e5 + 1e-9)
    assert found.provenance["swarm"]["proxy"]["kind"] == "ngram"
    assert "poem" in [effect.metric for effect in grounds.others]
    # Again, and nothing is trained; the fitted surrogates lie beside the mixture.
    assert "train:" not in gemix(*call, "--out", "again.json")
    assert Path("again.json").read_bytes() == Path("mixture.json").read_bytes()
    assert Path("mixture.surrogate.json").exists()
    assert "design.runs: 40 there, 41 now" in gemix(*call[:6], "41", *call[7:], code=1)


def test_regmix_without_a_budget_says_what_it_cannot_know(gemix):
    # The validation sets together are a sample of the corpus itself: natural is all but the best.
    call = ["mix", "regmix", "domains.csv", "--token-data", "proxy", "--runs", "12", "--check-runs", "0"]
    said = gemix(*call)
    assert "the proxies read whole pools (no --budget is given)" in said
    assert "--no-match-repetition" in gemix(*call, "--no-match-repetition", "--budget", "100k")
    found = mixture()
    if found.grounds.verdict != "better":
        assert found.weights == pytest.approx([entry.share for entry in found.domains])


def test_active_regmix_stops_and_goes_on(gemix):
    call = [
        "mix",
        "regmix",
        "domains.csv",
        "--token-data",
        "proxy",
        "--active",
        "--check-runs",
        "0",
        "--surrogate",
        "gp",
    ]
    call += ["--start", "12", "--batch", "6"]
    call += ["--target", "law", "--target", "poem", "--objective", "worst"]
    said = gemix(*call, "--runs", "18")
    assert "12 runs: the next one is expected to improve by" in said
    assert [p["runs"] for p in mixture().provenance["proposals"]] == [12]
    said = gemix(*call, "--runs", "24")
    assert [p["runs"] for p in mixture().provenance["proposals"]] == [12, 18]
    assert "active.objective" in gemix(*call[:-1], "mean", "--runs", "24", code=1)


def test_perf_from_data_to_mixture(gemix):
    call = ["mix", "perf", "domains.csv", "--token-data", "proxy", "--target", "law", "--share", "0.2"]
    assert f"15 runs of {tokens():,} tokens each" in gemix(*call, "--dry-run")
    gemix(*call)
    found = mixture()
    assert found.grounds.verdict == "better"
    # law has the texts of cooking and gardening; poem those of finance and sailing.
    ratios = {entry.domain: entry.weight / entry.share for entry in found.domains}
    gains = {effect.metric.removeprefix("more of "): effect for effect in found.grounds.others}
    assert gains["cooking"].verdict == "better"
    assert ratios["cooking"] > 1 > ratios["finance"]
    for helpful in ("cooking", "gardening"):
        for other in ("finance", "sailing"):
            assert gains[helpful].change.value > gains[other].change.value


def test_doremi_from_data_to_mixture_and_its_replay(gemix):
    call = ["mix", "doremi", "domains.csv", "--token-data", "proxy", "--preset", "tiny", "--proxy-tokens", "6000"]
    assert "at most 19 runs of 6,000 tokens each" in gemix(*call, "--rounds", "2", "--dry-run")
    said = gemix(*call, "--rounds", "2", "--plot-trajectory", "path.svg")
    found = mixture()
    assert "round 2: the largest change of a weight is" in said
    assert found.provenance["rounds"] == 2
    assert Path("path.svg").read_text().count("<path") > 4
    assert (found.grounds.grade, found.grounds.trained.seeds) == ("trained", 5)
    wish = {entry.domain: entry.wish for entry in found.domains}
    # The record has the order of the data, domains.csv another one.
    steps = np.genfromtxt("doremi/excess-2.csv", delimiter=",", skip_header=1)[:, 1:]
    average = doremi_replay(steps, np.ones(4), bounded_step(1.0, 4, len(steps))).average
    assert [wish[name] for name in NAMES] == pytest.approx(average)
    if found.grounds.verdict != "better":
        assert found.weights == pytest.approx([entry.share for entry in found.domains])
    replay = ["mix", "doremi", "domains.csv", "--excess", "doremi/excess-2.csv", "--out", "replay.json"]
    gemix(*replay, "--eta", str(bounded_step(1.0, 4, len(steps))), "--take", "unproven")
    assert mixture("replay.json").weights == pytest.approx([wish[name] for name in mixture("replay.json").keys])


@pytest.mark.slow
def test_a_killed_run_of_transformers_goes_on(gemix, folder):
    call = ["proxy", "run", "--token-data", "proxy", "--mixtures", "mixtures.csv", *TINY, "--proxy-tokens", "8000"]
    gemix(*call, "--out", "whole")
    command = [sys.executable, "-m", "gemix", *call, "--out", "killed"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    table, deadline = Path("killed/metrics.csv"), time.monotonic() + 120
    while time.monotonic() < deadline and not (table.exists() and table.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = table.read_bytes().count(b"\n") - 1
    assert 2 <= done < 6
    assert f"trained {6 - done} runs now, {done} were done before" in gemix(*call, "--out", "killed")
    assert table.read_bytes() == Path("whole/metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["proxy", "run", "--token-data", "none", "--mixtures", "mixtures.csv", "--out", "s"],
            "cannot read none/data.json",
        ),
        (["proxy", "run", "--token-data", "proxy", "--mixtures", "none.csv", "--out", "s"], "none.csv: No such file"),
        (
            ["proxy", "run", "--token-data", "proxy", "--mixtures", "domains.csv", "--out", "s"],
            "have different domains",
        ),
        (
            ["proxy", "run", "--token-data", "proxy", "--mixtures", "mixtures.csv", "--out", "s", "--proxy", "gpt"],
            "no proxy is",
        ),
        (
            ["proxy", "run", "--token-data", "proxy", "--mixtures", "mixtures.csv", "--out", "s", *TINY[:3], "9b"],
            "called '9b'",
        ),
        (
            ["proxy", "run", "--token-data", "proxy", "--mixtures", "mixtures.csv", "--out", "s", "--world-size", "2"],
            "--world-size needs --rank",
        ),
        (["proxy", "train", "--token-data", "proxy", "--mixture", "mixtures.csv", "--out", "m"], "holds 6 mixtures"),
        (
            ["mix", "regmix", "domains.csv", "--target", "law"],
            "give the runs as --mixtures and --metrics, or --token-data",
        ),
        (["mix", "regmix", "domains.csv", "--mixtures", "mixtures.csv"], "a target is missing"),
        (["mix", "regmix", "domains.csv", "--token-data", "proxy", "--metrics", "x.csv"], "leave out --mixtures"),
        (
            ["mix", "regmix", "domains.csv", "--token-data", "proxy", "--active", "--start", "99"],
            "99 runs to start with",
        ),
        (["mix", "perf", "domains.csv", "--target", "law", "--mixtures", "mixtures.csv"], "--baseline is missing"),
        (["mix", "perf", "domains.csv", "--token-data", "proxy", "--target", "law", "--share", "2"], "between 0 and 1"),
        (["mix", "perf", "domains.csv", "--token-data", "proxy", "--target", "law", "--baseline", "b"], "leave out"),
        (["mix", "doremi", "domains.csv"], "give --excess, the record of a training, or --token-data"),
        (["mix", "doremi", "domains.csv", "--token-data", "proxy", "--start", "natural"], "from uniform weights"),
        (["mix", "doremi", "domains.csv", "--token-data", "proxy", "--preset", "9b", "--dry-run"], "called '9b'"),
    ],
)
def test_faults_are_messages(gemix, arguments, message):
    said = gemix(*arguments, code=1)
    assert said.startswith("error: ") or " error: " in said
    assert message in said


def test_other_domains_are_named(gemix):
    Path("other.csv").write_text("domain,tokens\ncooking,10\nfinance,10\ngardening,10\nfishing,10\n")
    for strategy in (["regmix"], ["perf", "--target", "law"], ["doremi"]):
        said = gemix("mix", strategy[0], "other.csv", "--token-data", "proxy", *strategy[1:], code=1)
        assert "fishing only in the mixtures; sailing only in the proxy's data" in said
    Path("bad.csv").write_text("run,cooking,finance,gardening,fishing\n1,0.25,0.25,0.25,0.25\n")
    said = gemix("proxy", "run", "--token-data", "proxy", "--mixtures", "bad.csv", "--out", "s", code=1)
    assert "bad.csv" in said
    assert "fishing" in said
    assert not Path("s").exists()


@pytest.mark.parametrize(
    ("fact", "message"),
    [({"tokenizer": "f" * 16}, "are those of the tokenizer f"), ({"partition": "f" * 64}, "for another partition")],
)
def test_data_of_another_tokenizer_or_partition_are_refused(gemix, fact, message):
    shutil.copytree("proxy", "made")
    told = json.loads(Path("made/data.json").read_text())
    Path("made/data.json").write_text(json.dumps(told | {"made": fact}))
    (column,) = fact
    head, *rows = Path("domains.csv").read_text().splitlines()
    lines = [f"{head},{column}", *(f"{row},{'e' * 64}" for row in rows)]
    Path("others.csv").write_text("\n".join(lines) + "\n")
    assert message in gemix("mix", "regmix", "others.csv", "--token-data", "made", code=1)


def test_a_domain_without_text_is_an_error_that_names_it(gemix, tmp_path):
    write_proxy_folder(tmp_path / "less" / "proxy", 120, drop="sailing")
    content = json.loads(Path("less/proxy/data.json").read_text())
    content["domains"].append({"name": "sailing", "documents": 0, "tokens": 0, "bytes": 0})
    Path("less/proxy/data.json").write_text(json.dumps(content))
    Path("less/proxy/train/00003.bin").touch()
    call = ["proxy", "run", "--token-data", "less/proxy", "--mixtures", "mixtures.csv", "--out", "s"]
    assert "'sailing' has no training text" in gemix(*call, code=1)


def test_the_command_line_loads_neither_torch_nor_numba_kernels():
    names = "('torch', 'scipy', 'lightgbm', 'gemix.proxy.ngram')"
    code = f"import sys, gemix.cli; print([m for m in {names} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_teaches(gemix):
    for command in ("prepare", "run", "train"):
        said = gemix("proxy", command, "--help")
        assert f"gemix proxy {command}" in said
