import json

import numpy as np
import pytest

from gemix.embed import make_embedder
from gemix.embed import sentence_transformer as module
from gemix.embed.weights import minilm_folder
from gemix.runtime.errors import GemixError

pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> str:
    """A model of two layers with random weights, saved as the library saves models."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **size)).save_pretrained(folder / "bert")
    BertTokenizerFast.from_pretrained(minilm_folder()).save_pretrained(folder / "bert")
    bert = models.Transformer(str(folder / "bert"), max_seq_length=16)
    SentenceTransformer(modules=[bert, models.Pooling(32)], device="cpu").save(str(folder / "saved"))
    return f"sentence-transformers:{folder / 'saved'}"


@pytest.fixture
def no_bf16(monkeypatch):
    monkeypatch.setattr(module, "cpu_has_bf16", lambda: False)


@pytest.mark.slow
def test_it_gives_the_same_vectors_as_our_own_graph(no_bf16, fp32, one_passage):
    theirs = make_embedder(f"sentence-transformers:{minilm_folder()}").embed(one_passage)
    assert (fp32.embed(one_passage) * theirs).sum(axis=1).min() > 0.99999


def test_rows_are_unit_and_text_is_cut_at_the_models_length(spec, no_bf16, real_text):
    long = "word " * 14
    texts = [long, long + "volcano", "volcano " + long]
    model = make_embedder(spec)
    x = model.embed(real_text.slice(0, 3).set_column(1, "text", [texts]))
    assert x.dtype == np.float32
    assert x.shape == (3, 32)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(x[0], x[1], atol=1e-6)
    assert np.abs(x[0] - x[2]).max() > 1e-3
    assert model.fingerprint()["max_tokens"] == 16


def test_bfloat16_is_used_where_the_cpu_has_it(spec, real_text, monkeypatch):
    x = {}
    for bf16 in (False, True):
        monkeypatch.setattr(module, "cpu_has_bf16", lambda bf16=bf16: bf16)
        model = make_embedder(spec)
        assert model.fingerprint()["numbers"] == ("bfloat16" if bf16 else "float32")
        x[bf16] = model.embed(real_text)
    assert not np.array_equal(x[False], x[True])
    assert (x[False] * x[True]).sum(axis=1).min() > 0.999


def test_the_fingerprint_sees_other_weights(spec, no_bf16):
    before = make_embedder(spec).fingerprint()
    assert make_embedder(spec, workers=2).fingerprint() == before
    assert json.loads(json.dumps(before)) == before
    model = make_embedder(spec)
    model._model[0].auto_model.encoder.layer[1].output.dense.bias.data[0] += 0.1
    assert model.fingerprint() != before


def test_a_model_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    for model in (str(tmp_path / "empty"), "nobody/nothing-of-this-name"):
        with pytest.raises(GemixError, match="cannot be loaded") as raised:
            make_embedder(f"sentence-transformers:{model}")
        assert model in str(raised.value)


def test_code_that_comes_with_a_model_is_not_run(spec, no_bf16, tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(spec.partition(":")[2], folder)
    (folder / "custom.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "custom.Model", "AutoConfig": "custom.Config"}
    config["model_type"] = "unheard-of"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(GemixError, match="cannot be loaded"):
        make_embedder(f"sentence-transformers:{folder}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx512f avx512bw\n", False),
        ("model name\t: avx512_bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_read_from_the_cpus_flags(text, has, tmp_path):
    (tmp_path / "cpuinfo").write_text(text)
    assert module.cpu_has_bf16(tmp_path / "cpuinfo") is has
    assert module.cpu_has_bf16(tmp_path / "nothing") is False
