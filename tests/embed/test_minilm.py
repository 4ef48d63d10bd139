import numpy as np
import onnx
import pytest
from embed_data import documents

from gemix.embed.bert import LARGEST_WEIGHT, build_graph
from gemix.embed.minilm import MiniLM
from gemix.embed.weights import load_minilm, minilm_folder


@pytest.fixture(scope="module")
def reference(one_passage):
    """What sentence-transformers makes of the same files."""
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True).float()
    return model.encode(one_passage["text"].to_pylist(), normalize_embeddings=True, show_progress_bar=False)


@pytest.mark.slow
def test_fp32_is_the_model(fp32, one_passage, reference):
    x = fp32.embed(one_passage)
    assert x.dtype == np.float32
    assert x.shape == (len(one_passage), 384)
    assert (x * reference).sum(axis=1).min() > 0.99999


@pytest.mark.slow
def test_int8_is_close_to_the_model(int8, one_passage, reference):
    cosines = (int8.embed(one_passage) * reference).sum(axis=1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.96


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_depends_on_its_document_alone(precision, real_text, request):
    """Not on the order, the neighbours, the size of a call or the number of threads."""
    one = request.getfixturevalue(precision)
    two = MiniLM(precision, workers=2)
    real_text = real_text.slice(len(real_text) - 24)
    together = one.embed(real_text)
    assert np.array_equal(two.embed(real_text), together)
    backwards = real_text.take(list(range(len(real_text)))[::-1])
    assert np.array_equal(two.embed(backwards)[::-1], together)
    for row in (0, 12, 23):
        assert np.array_equal(one.embed(real_text.slice(row, 1))[0], together[row])


def test_a_long_text_is_the_mean_of_its_passages(int8, real_text):
    words = ["stone"] * 200 + ["volcano"] * 200 + ["river"] * 200  # a word piece each; a passage has 254 at most
    texts = [" ".join(words), *(" ".join(words[start : start + 200]) for start in (0, 200, 400)), " ".join(words[:254])]
    whole, *parts, longest = int8.embed(documents(texts))
    mean = np.mean(parts, axis=0)
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-6)
    assert int8.embed(documents([" ".join(words[:255])]))[0] @ longest < 0.999  # two passages: 127 stones, and 73


def test_tokens_make_up_their_text(fp32, int8):
    texts = ["Größe — naïveté!", "", "stone volcano " * 200]
    vectors = fp32.embed(documents(texts))
    two = MiniLM("fp32", workers=2).embed_tokens(texts)
    for text, vector, tokens, same in zip(texts, vectors, fp32.embed_tokens(texts), two, strict=True):
        assert np.array_equal(tokens.vectors, same.vectors)
        assert tokens.vectors.dtype == np.float32
        assert tokens.vectors.shape == (len(tokens.starts), 384)
        if text:
            mean = tokens.vectors.mean(axis=0)
            assert mean @ vector / np.linalg.norm(mean) > 0.97  # the two marks are not among them
            assert [text[start] for start in tokens.starts[:2]] == [text[0], {"G": "ö", "s": "v"}[text[0]]]
    # Each word piece stands where its passage has it, not where an average does.
    long = next(int8.embed_tokens([texts[2]]))
    assert len(long.starts) == 400
    assert (np.diff(long.starts) > 0).all()


def test_rows_are_unit_and_similar_texts_are_near(int8, real_text):
    texts = ["How to bake sourdough bread", "A recipe for baking bread", "The central bank raised interest rates"]
    x = int8.embed(real_text.slice(0, 3).set_column(1, "text", [texts]))
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)
    assert x[0] @ x[1] > 0.6 > 0.3 > x[0] @ x[2]


def test_no_documents_give_no_rows(int8, real_text):
    assert int8.embed(real_text.slice(0, 0)).shape == (0, 384)


def test_fingerprints_tell_the_precisions_apart(int8, fp32):
    assert int8.fingerprint() != fp32.fingerprint()
    assert int8.fingerprint() == MiniLM("int8", workers=2).fingerprint()


def test_quantised_weights_cannot_saturate_and_are_near_the_originals():
    tensors, _ = load_minilm()
    graph = onnx.load_from_string(build_graph(tensors, "int8")).graph
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
    layers = [node for node in graph.node if node.op_type == "DynamicQuantizeMatMul"]
    assert len(layers) == 6 * 4
    for node in layers:
        weight, scale = constants[node.input[1]], constants[node.input[2]]
        assert np.abs(weight.astype(int)).max() == LARGEST_WEIGHT
        names = [node.input[1]]
        if ".query" in names[0]:
            names = [names[0].replace("query", part) for part in ("query", "key", "value")]
        original = np.concatenate([tensors[name] for name in names]).T
        assert np.abs(weight * scale - original).max() <= scale.max() * 0.5001
    assert 2 * 255 * LARGEST_WEIGHT < 2**15
