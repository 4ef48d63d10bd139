"""Each file read by the trainer's own code where that is installed, else compared with its documented form."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from export_data import mixture, tokens_of
from installed import need, need_streaming

from gemix.mix.mixture import DomainWeight, Mixture
from gemix.trainers import export_mixture

WEIGHTS = {"arts": 0.125, "law": 0.5, "sport": 0.375}  # maths has none
LENGTHS = {"arts": 100, "law": 400, "sport": 50}  # tokens a document
# p_k proportional to w_k / length_k: 0.00125, 0.00125, 0.0075
DOCUMENTS = {"arts": 0.125, "law": 0.125, "sport": 0.75}


@pytest.fixture
def made() -> Mixture:
    domains = [
        DomainWeight(domain=name, weight=weight, documents=1000, tokens=1000 * LENGTHS[name])
        for name, weight in WEIGHTS.items()
    ]
    domains.insert(2, DomainWeight(domain="maths", weight=0.0))
    return Mixture(strategy="made", budget_tokens=240_000, domains=domains)


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_megatron(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "blend.txt"
    export_mixture(made, "megatron", out, paths="/d/{domain}_text_document")
    words = out.read_text().split()  # as --data-args-path reads it, and as the shell gives it to --data-path
    assert words == ["0.125", "/d/arts_text_document", "0.5", "/d/law_text_document", "0.375", "/d/sport_text_document"]
    utils = need("megatron.core.datasets.utils")
    prefixes, weights = utils.get_blend_from_list(words)
    assert prefixes == [f"/d/{name}_text_document" for name in WEIGHTS]
    assert weights == list(WEIGHTS.values())


def test_nemo(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "blend.json"
    export_mixture(made, "nemo", out)
    expected = ["0.125", "data/arts", "0.5", "data/law", "0.375", "data/sport"]
    assert json.loads(out.read_text()) == expected
    data = need("nemo_automodel.components.datasets.llm.megatron_dataset")
    blend = data.try_load_blend_from_json(out)
    assert data.is_zipped_list(blend)
    assert data.get_blend_from_list(blend) == ([f"data/{name}" for name in WEIGHTS], list(WEIGHTS.values()))


def test_mosaicml_streaming(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "streams.yaml"
    export_mixture(made, "mosaicml-streaming", out, paths=str(tmp_path / "{domain}"))
    streams = yaml.safe_load(out.read_text())
    assert streams == [
        {"local": str(tmp_path / name), "proportion": pytest.approx(share)} for name, share in DOCUMENTS.items()
    ]
    check_streams(streams, DOCUMENTS)


def check_streams(streams: list[dict[str, Any]], shares: dict[str, float]) -> None:
    stream = need_streaming()
    made = [stream.Stream(**arguments) for arguments in streams]
    assert stream.Stream.validate_weights(made) == (True, False)
    sizes = need("numpy").array([500, 500, 500])
    assert stream.Stream.apply_weights(made, sizes, choose_per_epoch=1000, seed=0) == 1000
    assert [one.choose for one in made] == [pytest.approx(1000 * share, abs=1) for share in shares.values()]


def test_streams_of_remote_data_are_remote(made: Mixture, tmp_path: Path) -> None:
    export_mixture(made, "mosaicml-streaming", tmp_path / "s.yaml", paths="s3://bucket/{domain}", counts="tokens")
    streams = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert streams[1] == {"remote": "s3://bucket/law", "proportion": 0.5}


def test_hf_datasets_as_data(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "mixture.json"
    export_mixture(made, "hf-datasets", out)
    content = json.loads(out.read_text())
    assert content["data_files"] == {name: f"data/{name}/*.jsonl.zst" for name in WEIGHTS}
    assert content["probabilities"] == pytest.approx(list(DOCUMENTS.values()))


def test_hf_datasets_as_script(made: Mixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "hf_mixture.py"
    export_mixture(made, "hf-datasets", out, paths=str(tmp_path / "{domain}" / "*.jsonl"))
    compile(out.read_text(), str(out), "exec")
    need("datasets")
    for name in WEIGHTS:
        (tmp_path / name).mkdir()
        lines = "".join(f'{{"text": "{name} {i}", "extra": {i}}}\n' for i in range(300))
        (tmp_path / name / "part.jsonl").write_text(lines)
    dataset = load_module(out).load_mixture(seed=3)
    rows = [row for _, row in zip(range(1200), dataset, strict=False)]
    counts = {name: sum(row["text"].startswith(name) for row in rows) / len(rows) for name in WEIGHTS}
    assert counts == {name: pytest.approx(share, abs=0.06) for name, share in DOCUMENTS.items()}  # five deviations


def test_torchtitan(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "titan_mixture.py"
    export_mixture(made, "torchtitan", out)
    compile(out.read_text(), str(out), "exec")
    text_datasets = need("torchtitan.hf_datasets.text_datasets")
    config = load_module(out).dataloader
    assert isinstance(config, text_datasets.InterleavedHuggingFaceTextDataLoader.Config)
    assert {source.dataset: source.weight for source in config.sources} == WEIGHTS
    path, loader, processor = text_datasets._validate_dataset("law")
    assert path == "data/law"
    assert loader.keywords == {"split": "train", "streaming": True}
    assert processor({"text": "a"}) == "a"


def test_olmo_core(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "sources.yaml"
    export_mixture(made, "olmo-core", out, max_epochs=2)
    entries = yaml.safe_load(out.read_text())["sources"]
    assert entries[1] == {
        "source_name": "law",
        "target_ratio": 0.5,
        "paths": ["data/law/*.npy"],
        "max_repetition_ratio": 2.0,
    }
    source_mixture = need("olmo_core.data.source_mixture")
    sources = source_mixture.SourceMixtureList.from_yaml(str(out))
    sources.validate()
    for source in sources.sources:
        source.validate()
    assert {source.source_name: source.target_ratio for source in sources.sources} == WEIGHTS


def test_olmo_core_builds_the_mixture(made: Mixture, tmp_path: Path) -> None:
    source_mixture = need("olmo_core.data.source_mixture")
    np = need("numpy")
    out = tmp_path / "sources.yaml"
    export_mixture(made, "olmo-core", out, paths=str(tmp_path / "{domain}" / "*.npy"))
    for name in WEIGHTS:
        (tmp_path / name).mkdir()
        np.full(LENGTHS[name] * 1000, 7, np.uint16).tofile(tmp_path / name / "part.npy")
    config = source_mixture.SourceMixtureDatasetConfig(
        source_list=source_mixture.SourceMixtureList.from_yaml(str(out)),
        requested_tokens=240_000,
        global_batch_size=64 * 16,
        quiet=True,
        render_tables=False,
    )
    dataset = config.build(npdtype=np.uint16, sequence_length=64)
    tokens = {source.name: sum(part.tokens for part in source.path_tokens) for source in dataset.sources}
    total = sum(tokens.values())
    assert {name: n / total for name, n in tokens.items()} == {
        name: pytest.approx(share, rel=0.01) for name, share in WEIGHTS.items()
    }


def test_olmix(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "launch.yaml"
    export_mixture(made, "olmix", out)
    content = yaml.safe_load(out.read_text())
    assert content["data"]["sources"][0] == {"name": "arts", "paths": ["data/arts/*.npy"]}
    # sport: 0.375 x 240,000 tokens of 50,000 are 1.8 epochs; the limit of 4 is above that
    assert content["mix"] == {name: {"weight": weight, "repetition_factor": 4.0} for name, weight in WEIGHTS.items()}


def test_levanter(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "data.yaml"
    export_mixture(made, "levanter", out)
    assert yaml.safe_load(out.read_text()) == {
        "data": {
            "components": {
                name: {"source": {"type": "url", "train_urls": [f"data/{name}/*.jsonl.zst"]}} for name in WEIGHTS
            },
            "train_weights": WEIGHTS,
            "mixture_block_size": 2048,
        }
    }


def test_litgpt(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "lit_mixture.py"
    export_mixture(made, "litgpt", out, paths=str(tmp_path / "{domain}"))
    compile(out.read_text(), str(out), "exec")
    data, torch = need("litgpt.data"), need("torch")
    streaming, optimize = need("litdata.streaming"), need("litdata")
    for name in WEIGHTS:
        optimize.optimize(
            fn=tokens_of,
            inputs=[LENGTHS[name]] * 20,
            output_dir=str(tmp_path / name),
            num_workers=1,
            chunk_size=17 * 40,
            item_loader=streaming.TokensLoader(block_size=17),
        )
    module = load_module(out).Mixture(num_workers=0)
    assert isinstance(module, data.DataModule)
    module.connect(batch_size=2, max_seq_length=16)
    loader = module.train_dataloader()
    assert loader.dataset._weights == pytest.approx(list(WEIGHTS.values()))
    assert next(iter(loader)).shape == torch.Size([2, 17])


def test_regmix(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "mixture.yaml"
    export_mixture(made, "regmix", out)
    assert yaml.safe_load(out.read_text()) == {
        "train": {f"train_{name}_": weight for name, weight in WEIGHTS.items()},
        "valid": {f"valid_{name}_": 1.0 for name in WEIGHTS},
    }


def test_doremi(made: Mixture, tmp_path: Path) -> None:
    out = tmp_path / "weights.json"
    export_mixture(made, "doremi", out)
    assert json.loads(out.read_text()) == {"train_domain_weights": WEIGHTS, "eval_domain_weights": WEIGHTS}


def test_one_domain_is_a_mixture_too(tmp_path: Path) -> None:
    export_mixture(mixture(1.0, names=["all"]), "megatron", tmp_path / "blend")
    assert (tmp_path / "blend").read_text() == "1.0 data/all\n"
