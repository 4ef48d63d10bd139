"""The steps of examples/paper: every command of gemix is parsed as the real one, and dry-run where it can be."""

import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer
import yaml
from safetensors.numpy import save_file
from support import make_documents, write_jsonl
from typer.testing import CliRunner

import score
from gemix.cli import app as cli
from gemix.proxy.dataset import Contract, Part, part_path
from gemix.proxy.transformer.config import PRESETS
from gemix.run.settings import resolve
from nine_tasks.asked import read_task_file
from nine_tasks.checkpoint import read_checkpoint

PAPER = Path(__file__).resolve().parents[2] / "examples" / "paper"
STEPS = sorted(path.name for path in PAPER.glob("[0-9]-*.sh"))
PROGRAMS = ("gemix", "litgpt", "python")
# Writes down its arguments in place of doing anything.
RECORDER = """#!{python}
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""


def recorded(folder: Path, before: str = "") -> list[list[str]]:
    """Run all steps in a folder with programs that only record, and return what they were called with."""
    programs = folder / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(RECORDER.format(python=sys.executable))
        (programs / name).chmod(0o755)
    record = folder / "record"
    lines = "\n".join([before, *(f'bash "{PAPER / step}"' for step in STEPS)])
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "RECORD": str(record)}
    subprocess.run(["bash", "-euc", lines], cwd=folder, env=environment, check=True)
    return [json.loads(line) for line in record.read_text().splitlines()]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    return recorded(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def small_commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    return recorded(tmp_path_factory.mktemp("small"), f'. "{PAPER / "small.sh"}"')


def command_of(arguments: list[str]) -> tuple[object, int]:
    """Return the command that a line calls, and how many words name it."""
    command, words = typer.main.get_command(cli.app), 0
    while hasattr(command, "list_commands"):
        assert arguments[words] in command.list_commands(None), f"gemix has no {' '.join(arguments[: words + 1])}"
        command, words = command.get_command(None, arguments[words]), words + 1
    return command, words


def scored(lines: list[list[str]]) -> list[str]:
    """Return the arguments of the one call of score.py."""
    (found,) = (arguments for program, script, *arguments in lines if script == str(PAPER / "score.py"))
    return found


def has_dry_run(arguments: list[str]) -> bool:
    command, _ = command_of(arguments)
    return any("--dry-run" in parameter.opts for parameter in command.params)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"paper_{name}", PAPER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


@pytest.mark.parametrize("which", ["commands", "small_commands"])
def test_the_real_command_line_parses_every_command(which, request):
    lines = request.getfixturevalue(which)
    called = [line[1:] for line in lines if line[0] == "gemix"]
    names = {tuple(arguments[: command_of(arguments)[1]]) for arguments in called}
    wanted = {("run",), ("stats",), ("report",), ("proxy", "prepare"), ("probe",)}
    assert names >= wanted | {("mix", name) for name in ("natural", "regmix", "doremi", "perf")}
    for arguments in called:
        command, words = command_of(arguments)
        command.callback = lambda **_: None
        command.main(arguments[words:], prog_name=" ".join(arguments[:words]), standalone_mode=False)
    command = typer.main.get_command(score.app)
    command.callback = lambda **_: None
    command.main(scored(lines), prog_name="score.py", standalone_mode=False)


def test_each_step_reads_what_an_earlier_one_wrote(commands):
    by_name: dict[str, list[list[str]]] = {}
    for program, *arguments in commands:
        words = command_of(arguments)[1] if program == "gemix" else 1
        by_name.setdefault(" ".join([program, *arguments[:words]]), []).append(arguments)
    (run,), (prepare,) = by_name["gemix run"], by_name["gemix proxy prepare"]
    assert option(prepare, "--labels") == f"{option(run, '--out')}/labels"
    for strategy in ("regmix", "doremi", "perf"):
        (mix,) = by_name[f"gemix mix {strategy}"]
        assert option(mix, "--token-data") == option(prepare, "--out")
        assert mix[2] == f"{option(run, '--out')}/domains.csv"
    mixtures = [option(line, "--out") for name, lines in by_name.items() if " mix " in name for line in lines]
    assert [arguments[1] for arguments in by_name["gemix export"]] == mixtures
    trained = by_name["litgpt pretrain"]
    exported = [Path(option(arguments, "--out")).parent for arguments in by_name["gemix export"]]
    assert [Path(option(arguments, "--out_dir")) for arguments in trained] == exported
    assert [arguments[1] for arguments in by_name["litgpt convert_from_litgpt"]] == [
        f"{path}/final" for path in exported
    ]
    models = [arguments[-1] for (program, script, *arguments) in commands if script.endswith("to_hf.py")]
    assert scored(commands)[:4] == models
    assert len(models) == 4


@pytest.fixture
def stand_ins(tmp_path, monkeypatch) -> Path:
    """What a dry run looks at: a corpus, tokens, a table of domains, checkpoints; small, of the right form."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    write_jsonl(tmp_path / "corpus" / "a.jsonl.zst", make_documents(20))
    out = tmp_path / "paper"
    names = [f"domain {k}" for k in range(24)]
    (out / "run").mkdir(parents=True)
    rows = [f"{k},{name},100,4000000000" for k, name in enumerate(names)]
    (out / "run" / "domains.csv").write_text("\n".join(["domain,name,documents,tokens", *rows]) + "\n")
    parts = [Part(name=f"domain-{k:02}", documents=2, tokens=100, bytes=400) for k in range(24)]
    for kind in ("train", "valid"):
        (out / "tokens" / kind).mkdir(parents=True)
        for k in range(24):
            np.zeros(100, "<u2").tofile(part_path(out / "tokens", kind, k))
    contract = Contract(vocabulary=32_000, end=0, domains=parts, valid=parts, fingerprint="0" * 64)
    (out / "tokens" / "data.json").write_text(contract.model_dump_json())
    for strategy in ("natural", "regmix", "doremi", "perf"):
        model = out / "models" / strategy
        model.mkdir(parents=True)
        (model / "config.json").write_text('{"model_type": "llama"}')
        (model / "tokenizer.json").write_text("{}")
        save_file({"w": np.zeros((3, 5), np.float32)}, model / "model.safetensors")
    return tmp_path


def test_dry_runs_say_what_would_be_done_and_write_nothing(commands, stand_ins):
    pytest.importorskip("torch")
    before = sorted(stand_ins.rglob("*"))
    said = {}
    for program, *arguments in commands:
        if program != "gemix" or not has_dry_run(arguments):
            continue
        done = CliRunner().invoke(cli.app, [*arguments, "--dry-run"])
        assert done.exit_code == 0, f"{' '.join(arguments)}\n{done.output}"
        said[" ".join(arguments[: command_of(arguments)[1]])] = done.output
    done = CliRunner().invoke(score.app, [*scored(commands), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert sorted(stand_ins.rglob("*")) == before
    assert "1 input files" in said["run"]
    assert "balance: 5000.0" in said["run"]
    assert "591 runs of 1,000,000,000 tokens" in said["mix regmix"]
    assert "75 runs of 1,200,000,000 tokens" in said["mix perf"]
    assert "17 runs of 5,600,000,000 tokens" in said["mix doremi"]
    assert "winogrande: Logic & linguistics, 5-shot" in done.output


def test_the_settings_are_the_papers():
    settings = resolve({}, PAPER / "domains.yaml")
    assert (settings.clusters, settings.balance, settings.sample_bytes) == (24, 5000, 12_000_000_000)
    assert settings.student_kind == "fasttext"


def test_the_trainers_file_has_the_trainers_fields_and_fits_the_budget(commands):
    content = yaml.safe_load((PAPER / "litgpt.yaml").read_text())
    train = content["train"]
    # Fields of litgpt 0.5.13: the arguments of `pretrain`, TrainArgs and EvalArgs.
    assert set(content) <= {"precision", "resume", "train", "eval", "optimizer", "devices", "seed", "logger_name"}
    assert set(train) <= {
        "save_interval", "log_interval", "global_batch_size", "micro_batch_size", "lr_warmup_steps",
        "lr_warmup_fraction", "max_seq_length", "tie_embeddings", "max_norm", "min_lr",
    }  # fmt: skip
    assert set(content["eval"]) <= {"interval", "max_iters"}
    assert set(content["optimizer"]["init_args"]) <= {"lr", "weight_decay", "betas"}
    (budget,) = {option(line, "--train.max_tokens") for line in commands if line[:2] == ["litgpt", "pretrain"]}
    steps = math.ceil(int(budget) / (train["global_batch_size"] * train["max_seq_length"]))
    assert steps == 23_842
    assert train["lr_warmup_steps"] == round(0.04 * steps)
    model = next(line[2] for line in commands if line[:2] == ["litgpt", "pretrain"])
    assert model == "tiny-llama-1.1b"


def test_litgpt_reads_the_trainers_file():
    args, parser = pytest.importorskip("litgpt.args"), pytest.importorskip("jsonargparse")
    content = yaml.safe_load((PAPER / "litgpt.yaml").read_text())
    reader = parser.ArgumentParser()
    reader.add_argument("--train", type=args.TrainArgs)
    reader.add_argument("--eval", type=args.EvalArgs)
    read = reader.parse_object({"train": content["train"], "eval": content["eval"]})
    assert read.train.global_batch_size == 512


def test_to_hf_gives_a_checkpoint_with_the_same_logits(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models

    script = load("to_hf")
    layers, _ = PRESETS["1.1b"]
    assert script.SIZES["num_hidden_layers"] == layers.layers
    assert script.SIZES["intermediate_size"] == layers.inner
    assert (script.SIZES["num_attention_heads"], script.SIZES["num_key_value_heads"]) == (layers.heads, layers.kv_heads)
    sizes = script.SIZES | {
        "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    }  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel({"<|endoftext|>": 7, "a": 1}, unk_token="a"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).to(torch.bfloat16)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    script.main(tmp_path / "model.pth", tmp_path / "tokenizer.json", tmp_path / "hf", sizes)
    read = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "hf")
    tokens = torch.arange(10)[None]
    assert torch.equal(read(tokens).logits, model(tokens).logits)
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["eos_token_id"] == 7
    assert read_checkpoint(tmp_path / "hf").parameters == sum(p.numel() for p in model.parameters())


def test_tokens_become_folders_of_litdata(stand_ins):
    streaming = pytest.importorskip("litdata.streaming")
    tokens = stand_ins / "paper" / "tokens"
    contract = Contract.model_validate_json((tokens / "data.json").read_text())
    contract.domains[1].tokens = 3 * 2049 + 5
    (tokens / "data.json").write_text(contract.model_dump_json())
    np.arange(3 * 2049 + 5, dtype="<u2").tofile(part_path(tokens, "train", 1))
    script = [sys.executable, str(PAPER / "litdata_folders.py"), str(tokens), str(stand_ins / "litdata")]
    subprocess.run(script, check=True, capture_output=True)
    paths = json.loads((stand_ins / "litdata" / "paths.json").read_text())
    assert list(paths) == [part.name for part in contract.domains]
    read = streaming.StreamingDataset(paths["domain 1"], item_loader=streaming.TokensLoader(block_size=2049))
    assert read[1].tolist() == list(range(2049, 2 * 2049))


def test_the_table_of_compute_is_in_the_page():
    bash = shutil.which("bash")
    assert bash is not None
    script = f'set -a; . "{PAPER / "settings.sh"}"; "{sys.executable}" "{PAPER / "compute.py"}"'
    table = subprocess.run(
        [bash, "-euc", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout
    assert table in (PAPER / "README.md").read_text()


def test_small_settings_are_settings_and_its_questions_are_questions():
    known = set(re.findall(r'"\$\{(\w+):=', (PAPER / "settings.sh").read_text()))
    used = set(re.findall(r"\b([A-Z_]+)=", (PAPER / "small.sh").read_text()))
    assert used <= known
    assert len(read_task_file(PAPER / "small.jsonl")) == 12


def test_every_file_is_named_in_the_page():
    page = (PAPER / "README.md").read_text()
    missing = [path.name for path in PAPER.iterdir() if path.is_file() and path.name not in page]
    assert missing == ["README.md"]
