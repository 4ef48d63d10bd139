"""The MiniLM encoder as an ONNX graph, built from its weights.

One document a call: no padding, no mask. A row then depends on its document alone, never on its neighbours, even in
int8, where activations share one scale per tensor; and it is faster on a CPU than a padded batch.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gemix.embed.base import needs

Precision = Literal["fp32", "int8"]
Array = npt.NDArray[Any]

LAYERS, HEADS, MAX_TOKENS = 6, 12, 256
# Weights on 7 of the 8 bits: two products of an unsigned activation (255) and a weight (63) fit the 16 bits
# in which CPUs without VNNI add them (2 * 255 * 63 = 32,130), so that no CPU saturates.
LARGEST_WEIGHT = 63
_CONTRIB = "com.microsoft"


def build_graph(weights: Mapping[str, Array], precision: Precision) -> bytes:
    """Return the serialised model.

    Input `ids`: int64 (1, tokens), at most 256 of them. Outputs, float32: `tokens` (1, tokens, 384), the last layer,
    and `mean` (1, 384), its mean over all tokens, not normalised.
    Post-norm BERT (Devlin et al. 2019) with exact GELU, mean pooling over all tokens. In int8, the linear layers have
    weights quantised symmetrically per output channel and activations quantised per document; all else stays float32.
    """
    with needs("embed"):
        from onnx import TensorProto, helper
    graph = _Graph(weights, precision)
    graph.encoder()
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "minilm",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])],
            [
                helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, "tokens", 384]),
                helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 384]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants in the making; every method adds nodes and returns the name of their output."""

    def __init__(self, weights: Mapping[str, Array], precision: Precision) -> None:
        self.weights, self.precision = weights, precision
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def encoder(self) -> None:
        w = self.weights
        # Every document is one segment, so its type vector is part of the positions.
        positions = (
            w["embeddings.position_embeddings.weight"][:MAX_TOKENS] + w["embeddings.token_type_embeddings.weight"][0]
        )
        words = self.node("Gather", [self.constant("words", w["embeddings.word_embeddings.weight"]), "ids"], "word")
        count = self.node("Shape", ["ids"], "count", start=1, end=2)
        start = self.constant("start", np.zeros(1, np.int64))
        places = self.node("Slice", [self.constant("positions", positions), start, count], "place")
        x = self.norm(self.node("Add", [words, places], "sum"), "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{layer}.")
        self.node("Identity", [x], "tokens")
        self.node("ReduceMean", [x, self.constant("tokens_axis", np.ones(1, np.int64))], "mean", keepdims=0)

    def layer(self, x: str, at: str) -> str:
        q, k, v = (f"{at}{part}" for part in "qkv")
        projected = self.linear(x, [f"{at}attention.self.{part}" for part in ("query", "key", "value")])
        self.node("Split", [projected], [q, k, v], axis=2, num_outputs=3)
        context = self.node("MultiHeadAttention", [q, k, v], f"{at}context", _CONTRIB, num_heads=HEADS)
        attended = self.linear(context, [f"{at}attention.output.dense"])
        x = self.norm(self.node("Add", [attended, x], f"{at}attended"), f"{at}attention.output.LayerNorm")
        inner = self.node("Gelu", [self.linear(x, [f"{at}intermediate.dense"])], f"{at}gelu", _CONTRIB)
        outer = self.linear(inner, [f"{at}output.dense"])
        return self.norm(self.node("Add", [outer, x], f"{at}added"), f"{at}output.LayerNorm")

    def linear(self, x: str, names: list[str]) -> str:
        """Apply the named linear layers side by side."""
        name = names[0]
        weight = np.concatenate([self.weights[f"{part}.weight"] for part in names]).T
        bias = self.constant(f"{name}.bias", np.concatenate([self.weights[f"{part}.bias"] for part in names]))
        if self.precision == "fp32":
            product = self.node("MatMul", [x, self.constant(f"{name}.weight", weight)], f"{name}.product")
            return self.node("Add", [product, bias], f"{name}.out")
        scale = (np.abs(weight).max(axis=0) / LARGEST_WEIGHT).astype(np.float32)
        quantised = self.constant(f"{name}.weight", np.rint(weight / scale).astype(np.int8))
        inputs = [x, quantised, self.constant(f"{name}.scale", scale), "", bias]
        return self.node("DynamicQuantizeMatMul", inputs, f"{name}.out", _CONTRIB)

    def norm(self, x: str, name: str) -> str:
        parts = [self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self.node("LayerNormalization", [x, *parts], f"{name}.out", axis=-1, epsilon=1e-12)

    def constant(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: str | list[str], domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        names = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names[0]
