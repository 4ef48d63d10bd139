import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError

settings = st.fixed_dictionaries(
    {},
    optional={
        "clusters": st.integers(1, 10_000),
        "balance": st.one_of(st.just("auto"), st.floats(0, 1e9), st.just(math.inf)),
        "seed": st.integers(0, 2**32 - 1),
        "sample_tokens": st.integers(1, 10**12),
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
    (tmp_path / "stored.yaml").write_text("clusters: 8\nseed: 3\nsample: 50\n")
    (tmp_path / "mine.yaml").write_text("clusters: 9\nmax-bad-fraction: 0.5\nsample-tokens: 1000\n")
    config = resolve({"clusters": None, "seed": 4}, tmp_path / "mine.yaml", tmp_path / "stored.yaml")
    assert (config.clusters, config.seed, config.max_bad_fraction) == (9, 4, 0.5)
    assert (config.sample, config.sample_tokens) == (None, 1000)
    assert RunConfig().sample == 20_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster: 8", "mine.yaml: cluster: Extra inputs"),
        ("clusters: many", "mine.yaml: clusters:"),
        ("clusters: 0", "mine.yaml: clusters:"),
        ("balance: -3", "balance must be"),
        ("sample: 5\nsample_tokens: 5", "not both"),
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


def test_missing_files_are_named(tmp_path):
    with pytest.raises(GemixError, match=r"nowhere\.yaml"):
        resolve({}, tmp_path / "nowhere.yaml")
    with pytest.raises(GemixError, match="command line: clusters"):
        resolve({"clusters": "x"})
