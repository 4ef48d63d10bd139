"""Swarms in the user's own trainer: files and pools of the runs, the script that trains them, what came out."""

import ast
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from installed import need
from test_trainers import load_module
from token_data import make_corpus
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.design_file import Design, read_design, write_design
from gemix.mix.mixture import Mixture
from gemix.mix.partition import read_partition
from gemix.mix.read_runs import read_runs
from gemix.runtime.errors import GemixError
from gemix.trainers import DataIndex, Pools, TokenizeSettings, read_index, split_corpus, tokenize_corpus
from gemix.trainers.swarm import FILES, export_swarm

T, BUDGET = 40_000, 400_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data in several layouts, pools, and the mixtures of a swarm."""
    folder = tmp_path_factory.mktemp("corpus")
    shards, labels, tokenizer = make_corpus(folder, 1000)
    for layout in ("megatron", "olmo-core"):
        tokenize_corpus(shards, labels, folder / layout, TokenizeSettings(layout, tokenizer, file_bytes=20_000))
    pools = TokenizeSettings("olmo-core", tokenizer, only=Pools(T, BUDGET))
    tokenize_corpus(shards, labels, folder / "pools", pools)
    split_corpus(shards, labels, folder / "text", "jsonl.zst")
    done = CliRunner().invoke(
        app, ["swarm", "design", str(labels / "domains.csv"), "-n", "12", "-o", str(folder / "mixtures.csv")]
    )
    assert done.exit_code == 0, done.output
    return folder


def export(made: Path, to: str, out: Path, data: str | None = None, **more: int | None) -> DataIndex:
    folder = made / (data or {"megatron": "megatron", "olmo-core": "pools"}.get(to, "text"))
    tokens = {"proxy_tokens": T, "budget_tokens": BUDGET} | more
    export_swarm(made / "mixtures.csv", to, folder, out, **tokens)  # type: ignore[arg-type]
    return read_index(folder)


@pytest.mark.parametrize("to", FILES)
def test_every_run_has_its_file_and_the_script_is_sound(made: Path, to: str, tmp_path: Path) -> None:
    export(made, to, tmp_path / "its runs")
    out = tmp_path / "its runs"
    table = read_runs(out / "mixtures.csv")
    assert table.ids == [str(i + 1) for i in range(12)]
    assert pytest.approx(read_runs(made / "mixtures.csv").W) == table.W
    assert all((out / name / FILES[to].name).is_file() for name in table.ids)
    subprocess.run(["bash", "-n", str(out / "array.sh")], check=True)
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": "2", "PYTHONPATH": ""}
    command = [
        "bash",
        str(out / "array.sh"),
        "bash",
        "-c",
        'echo $0 "$@"; echo $GEMIX_RUN $GEMIX_TOKENS $WANDB_NAME',
        "me",
    ]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    arguments = {"megatron": f" --data-args-path {out}/3/blend.txt --split 0.100000000000,0,0.900000000000"}
    expected = arguments.get(to, f" {out}/3/sources.yaml" if to == "olmo-core" else "")
    assert said == f"me{expected}\n3 {T} 3\n"
    assert (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "run 3 is done\n"
    )
    without = subprocess.run(
        ["bash", str(out / "array.sh")], env=environment, capture_output=True, text=True, check=False
    )
    assert "no command: sbatch array.sh COMMAND..." in without.stderr


def test_megatron_is_told_the_mixture_of_the_run(made: Path, tmp_path: Path) -> None:
    index = export(made, "megatron", tmp_path)
    table = read_runs(tmp_path / "mixtures.csv")
    words = (tmp_path / "4" / "blend.txt").read_text().split()
    told = dict(zip(words[1::2], map(float, words[::2]), strict=True))
    for domain, weight in zip(index.domains, table.W[3], strict=True):
        paths = [str(made / "megatron" / file.path) for file in domain.files]
        assert sum(told.get(path, 0.0) for path in paths) == pytest.approx(weight, abs=1 / T)
    blends = [(tmp_path / name / "blend.txt").read_text().split()[::2] for name in table.ids]
    assert min(float(weight) for blend in blends for weight in blend) > 1e-3 / T  # a file has a part of its domain's


def test_olmo_core_reads_pools_and_repeats_them(made: Path, tmp_path: Path) -> None:
    index = export(made, "olmo-core", tmp_path)
    weights = read_runs(tmp_path / "mixtures.csv").W[0]
    sources = yaml.safe_load((tmp_path / "1" / "sources.yaml").read_text())["sources"]
    for source, domain, weight in zip(sources, index.domains, weights, strict=True):
        assert source["target_ratio"] == pytest.approx(weight)
        assert source["max_repetition_ratio"] == pytest.approx(max(1, 1.01 * weight * T / domain.tokens))
        assert domain.share == 0.1


def test_modules_take_the_first_documents(made: Path, tmp_path: Path) -> None:
    index = export(made, "hf-datasets", tmp_path)
    text = (tmp_path / "1" / "mixture.py").read_text().partition("SOURCES = ")[2].partition("\n\n")[0]
    weights = read_runs(tmp_path / "mixtures.csv").W[0]
    drawn = []
    for (path, share, first), domain in zip(ast.literal_eval(text).values(), index.domains, strict=True):
        assert path == str(made / "text" / domain.folder / "*.jsonl.zst")
        assert first == round(domain.documents / 10)
        drawn.append(share * domain.tokens / domain.documents)
    assert [tokens / sum(drawn) for tokens in drawn] == pytest.approx(weights.tolist())
    need("datasets")
    dataset = load_module(tmp_path / "1" / "mixture.py").load_mixture(seed=1)
    rows = [row["id"] for _, row in zip(range(400), dataset, strict=False)]
    assert len(set(rows)) <= sum(round(domain.documents / 10) for domain in index.domains) < 400


def test_without_a_budget_all_data_are_read(made: Path, tmp_path: Path) -> None:
    export(made, "olmo-core", tmp_path / "a", data="olmo-core", budget_tokens=None)
    export(made, "hf-datasets", tmp_path / "b", budget_tokens=None)
    assert ", None)" in (tmp_path / "b" / "1" / "mixture.py").read_text()


def test_more_runs_may_follow_and_other_facts_may_not(made: Path, tmp_path: Path) -> None:
    export(made, "megatron", tmp_path / "runs")
    more = tmp_path / "more.csv"
    head, first, *_ = (made / "mixtures.csv").read_text().splitlines()
    more.write_text(f"{head}\n13{first[first.index(',') :]}\n")
    export_swarm(more, "megatron", made / "megatron", tmp_path / "runs", proxy_tokens=T, budget_tokens=BUDGET)
    assert read_runs(tmp_path / "runs" / "mixtures.csv").ids == [str(i + 1) for i in range(13)]
    assert "#SBATCH --array=0-12\n" in (tmp_path / "runs" / "array.sh").read_text()
    with pytest.raises(GemixError, match="holds runs for another trainer, other data or numbers of tokens"):
        export(made, "megatron", tmp_path / "runs", budget_tokens=2 * BUDGET)
    more.write_text(f"{head}\n13,0.1,0.2,0.3,0.4\n")
    with pytest.raises(GemixError, match="run '13' has another mixture"):
        export_swarm(more, "megatron", made / "megatron", tmp_path / "runs", proxy_tokens=T, budget_tokens=BUDGET)


@pytest.mark.parametrize(
    ("to", "data", "tokens", "message"),
    [
        (
            "olmo-core",
            "olmo-core",
            {},
            r"olmo-core is told whole files and cannot cut pools of 10\.000% .* make them: gemix tok",
        ),
        (
            "olmo-core",
            "pools",
            {"budget_tokens": T},
            r"has 10\.000% of the documents of domain-00, and its pool is 100",
        ),
        ("olmo-core", "megatron", {}, r"has the layout megatron"),
        ("nemo", "megatron", {}, r"--to nemo: a swarm is written for one of megatron, olmo-core"),
        (
            "megatron",
            "megatron",
            {"proxy_tokens": 40},
            r"would split 0\.010% off .*none of its \d+ documents; make pools",
        ),
        ("megatron", "megatron", {"proxy_tokens": None}, r"--budget needs --proxy-tokens"),
        ("megatron", "megatron", {"proxy_tokens": 2 * BUDGET}, r"a proxy is the smaller training"),
    ],
)
def test_what_cannot_be_done_is_refused(
    made: Path, to: str, data: str, tokens: dict[str, int | None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(GemixError, match=message):
        export(made, to, tmp_path / "runs", data, **tokens)
    assert not (tmp_path / "runs").exists()


def test_ids_name_folders(made: Path, tmp_path: Path) -> None:
    head, first, *_ = (made / "mixtures.csv").read_text().splitlines()
    (tmp_path / "m.csv").write_text(f"{head}\n../x{first[first.index(',') :]}\n")
    with pytest.raises(GemixError, match=r"'\.\./x' cannot name a folder"):
        export_swarm(tmp_path / "m.csv", "megatron", made / "megatron", tmp_path / "runs")


def test_from_a_design_to_a_mixture(made: Path, tmp_path: Path) -> None:
    """The commands together, with losses that are made up: the scarcest domain is what helps."""
    domains, out = str(made / "labels" / "domains.csv"), tmp_path / "runs"
    tokens = ["--proxy-tokens", "40k", "--budget", "400k"]
    export_ = ["swarm", "export", str(made / "mixtures.csv"), "--to", "megatron", "--data", str(made / "megatron")]
    table = str(tmp_path / "table.csv")
    collect = ["swarm", "collect", str(out), "--metric", "val_loss", "--out", table]

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    said = call(*export_, "--out", str(out), *tokens)
    assert "12 runs of 4 domains for megatron" in said
    assert "most epochs of a run" in said
    runs = read_runs(out / "mixtures.csv")
    losses = 3.0 + runs.W @ np.array([0.4, 0.2, 0.1, -1.5])
    for name, loss in zip(runs.ids[:-1], losses, strict=False):
        log = [{"step": 10, "val_loss": 9.0}, {"step": 20, "val_loss": float(loss)}]
        (out / name / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    said = call(*collect)
    assert "11 of 12 runs, with val_loss" in said
    assert "missing, no result: 1: 12" in said
    partition = read_partition(made / "labels" / "domains.csv")
    design = Design.of("dirichlet", partition, partition.box(), 0, (0.1, 5.0))
    write_design(out, design)
    call(*collect)
    assert read_design(tmp_path) == design
    write_design(out, design.model_copy(update={"seed": 1}))
    assert "holds another design.json" in CliRunner().invoke(app, collect).output
    call("mix", "regmix", domains, "--mixtures", table, "--target", "val_loss", "--surrogate", "linear",
         "--out", str(tmp_path / "mixture.json"))  # fmt: skip
    found = Mixture.model_validate_json((tmp_path / "mixture.json").read_text())
    wishes = [entry.wish for entry in found.domains]
    assert wishes[3] == max(wishes)
