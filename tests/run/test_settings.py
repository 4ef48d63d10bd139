import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.run.settings import STAGES, RunConfig, resolve, settings_of, to_yaml
from gemix.runtime.errors import GemixError

settings = st.fixed_dictionaries(
    {},
    optional={
        "clusters": st.integers(1, 10_000),
        "balance": st.one_of(st.just("auto"), st.floats(0, 1e9), st.just(math.inf)),
        "seed": st.integers(0, 2**32 - 1),
        "sample_bytes": st.integers(1, 10**12),
        "text_key": st.text(min_size=1, max_size=20).filter(str.isprintable),
        "centre": st.booleans(),
        "inputs": st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20), max_size=3),
    },
)


@given(settings)
def test_a_yaml_file_equals_the_flags(tmp_path_factory, values):
    config = resolve(values)
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert resolve({}, path) == config


def test_layers(tmp_path):
    stored = {"embed": {"seed": 2, "sample": 50}, "fit": {"clusters": 8, "seed": 3}}
    (tmp_path / "mine.yaml").write_text("clusters: 9\nmax-bad-fraction: 0.5\nsample-bytes: 1000\n")
    config = resolve({"clusters": None, "seed": 4}, tmp_path / "mine.yaml", stored)
    assert (config.clusters, config.seed, config.max_bad_fraction) == (9, 4, 0.5)
    assert (config.sample, config.sample_bytes) == (None, 1000)
    assert RunConfig().sample == 20_000


def test_the_seed_is_each_stages_own_and_all_else_is_the_runs(tmp_path):
    stored = {"embed": {"seed": 2, "text_key": "body"}, "fit": {"clusters": 8, "seed": 3}}
    assert [resolve({}, None, stored, stage).seed for stage in ("embed", "fit", "name")] == [2, 3, 2]
    assert {resolve({}, None, stored, stage).text_key for stage in STAGES} == {"body"}
    assert {resolve({"seed": 9}, None, stored, stage).seed for stage in STAGES} == {9}


@given(settings)
def test_what_is_stored_by_stage_reads_back(tmp_path_factory, values):
    values = values | {"inputs": [f"s3://b/{i}" for i in range(len(values.get("inputs", [])))]}
    config = resolve(values)
    stored = {stage: settings_of(config, stage) for stage in STAGES}
    assert resolve({}, stored=stored) == config
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(to_yaml(stored), encoding="utf-8")
    assert resolve({}, path) == config


def test_files_are_stored_so_that_they_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = resolve({"inputs": ["a/*.jsonl", "s3://b/c"], "embedder": "precomputed:x.npy", "tokenizer": "t.json"})
    stored = settings_of(config, "embed")
    assert stored["inputs"] == [f"{tmp_path}/a/*.jsonl", "s3://b/c"]
    assert (stored["embedder"], stored["tokenizer"]) == (f"precomputed:{tmp_path}/x.npy", f"{tmp_path}/t.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster: 8", "mine.yaml: cluster: Extra inputs"),
        ("clusters: many", "mine.yaml: clusters:"),
        ("clusters: 0", "mine.yaml: clusters:"),
        ("balance: -3", "balance must be"),
        ("sample: 5\nsample_bytes: 5", "not both"),
        ("- a\n- b", "key: value pairs"),
        ("a: [", "is not YAML"),
        ("solver: mm\nbalance: .inf", "exact"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(GemixError, match=message):
        resolve({}, path)


@pytest.mark.parametrize(("counter", "tokenizer"), [("whitespace", None), ("t.json", "t.json")])
def test_settings_of_the_first_version_are_read(tmp_path, counter, tokenizer):
    path = tmp_path / "config.yaml"
    path.write_text(f"inputs: [corpus]\ntoken_counter: {counter}\nclusters: 7\n")
    config = resolve({}, path)
    assert (config.inputs, config.tokenizer, config.clusters) == (["corpus"], tokenizer, 7)
    path.write_text("inputs: [corpus]\nsample_tokens: 1000\n")
    with pytest.raises(GemixError, match="give sample-bytes"):
        resolve({}, path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(GemixError, match=r"nowhere\.yaml"):
        resolve({}, tmp_path / "nowhere.yaml")
    with pytest.raises(GemixError, match="command line: clusters"):
        resolve({"clusters": "x"})
