import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gemix.embed import make_embedder
from gemix.embed.base import unit_rows
from gemix.runtime.errors import GemixError

NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=NUMBERS))
def test_rows_are_unit_or_zero_and_keep_their_direction(x):
    unit = unit_rows(x)
    assert unit.dtype == np.float32
    norms = np.linalg.norm(x.astype(float), axis=1)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), norms >= 1e-6, atol=1e-6)
    np.testing.assert_allclose(unit * norms[:, None], np.where(norms[:, None] < 1e-6, 0, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_visible(value):
    assert np.isnan(unit_rows([[1.0, value], [1.0, 0.0]])).any(axis=1).tolist() == [True, False]


def test_importing_the_package_loads_no_heavy_library():
    heavy = "{'sklearn', 'scipy', 'torch', 'onnx', 'onnxruntime', 'sentence_transformers', 'safetensors'}"
    code = f"import sys, gemix.embed; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "spec", ["", "bert", "minilm:int4", "lsa:5", "precomputed", "precomputed:", "sentence-transformers:", "MiniLM"]
)
def test_an_unknown_name_is_answered_with_the_known_ones(spec):
    with pytest.raises(GemixError, match=r"unknown embedder .*minilm:int8.*lsa.*sentence-transformers:NAME"):
        make_embedder(spec)


@pytest.mark.parametrize(
    ("spec", "library", "extra"),
    [
        ("minilm", "onnxruntime", "embed"),
        ("minilm", "onnx", "embed"),
        ("minilm", "safetensors.numpy", "embed"),
        ("lsa", "sklearn", "embed"),
        ("sentence-transformers:x", "sentence_transformers", "sentence-transformers"),
        ("sentence-transformers:x", "torch", "sentence-transformers"),
    ],
)
def test_a_missing_library_names_the_extra(spec, library, extra, monkeypatch):
    if spec.startswith("sentence") and library == "torch":
        pytest.importorskip("sentence_transformers")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(GemixError) as raised:
        make_embedder(spec)
    assert library in str(raised.value)
    assert f'pip install "gemix[{extra}]"' in str(raised.value)
