"""Sizes of transformer proxies and how each is trained by default; no torch here."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Final

from gemix.runtime.errors import GemixError


@dataclass(frozen=True)
class Config:
    """A LLaMA-style decoder (Touvron et al. 2023, arXiv 2302.13971).

    Attributes:
        layers: blocks, each attention and gated MLP.
        width: of the residual stream.
        heads: query heads; their size, width / heads, is even because rotary positions turn pairs.
        kv_heads: key and value heads, a divisor of `heads` (grouped-query attention, arXiv 2305.13245).
        inner: width of the MLP.
        tied: whether input and output embeddings are one.
        base: of rotary positions (arXiv 2104.09864).
        epsilon: of RMSNorm (arXiv 1910.07467).

    Raises:
        GemixError: sizes that do not fit together.

    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    tied: bool = False
    base: float = 10_000.0
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "kv_heads", "inner"):
            if getattr(self, name) < 1:
                raise GemixError(f"a transformer needs {name} of at least 1, not {getattr(self, name)}")
        if self.width % (2 * self.heads):
            raise GemixError(f"width {self.width} does not give {self.heads} heads of an even size")
        if self.heads % self.kv_heads:
            raise GemixError(f"{self.heads} query heads cannot share {self.kv_heads} key heads evenly")

    @property
    def head(self) -> int:
        """Size of a head."""
        return self.width // self.heads

    def shapes(self, vocabulary: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by its Hugging Face name; matrices are (out, in)."""
        d, kv = self.width, self.kv_heads * self.head
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, d)}
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            shapes |= {
                f"{at}input_layernorm.weight": (d,),
                f"{at}self_attn.q_proj.weight": (d, d),
                f"{at}self_attn.k_proj.weight": (kv, d),
                f"{at}self_attn.v_proj.weight": (kv, d),
                f"{at}self_attn.o_proj.weight": (d, d),
                f"{at}post_attention_layernorm.weight": (d,),
                f"{at}mlp.gate_proj.weight": (self.inner, d),
                f"{at}mlp.up_proj.weight": (self.inner, d),
                f"{at}mlp.down_proj.weight": (d, self.inner),
            }
        shapes["model.norm.weight"] = (d,)
        if not self.tied:
            shapes["lm_head.weight"] = (vocabulary, d)
        return shapes

    def parameters(self, vocabulary: int, embeddings: bool = True) -> int:
        """Return the number of parameters, or of those that are no embeddings."""
        counted = self.shapes(vocabulary).items()
        return sum(prod(s) for name, s in counted if embeddings or "layers" in name or "norm" in name)

    def json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True)
class Training:
    """How a model is trained: AdamW, linear warm-up, cosine decay, clipped gradients.

    Attributes:
        rate: largest learning rate.
        context: tokens of a sequence.
        batch: sequences of a step; None: as many as make about 1,000 steps of the budget, at least 8, at most `most`.
        most: largest batch that None chooses.
        warmup: share of the steps over which the rate rises from 0.
        floor: share of `rate` at which the cosine ends.
        decay: weight decay of matrices.
        betas: of AdamW.
        clip: largest norm of a model's gradient.

    Raises:
        GemixError: a value out of range.

    """

    rate: float = 2e-3
    context: int = 512
    batch: int | None = None
    most: int = 512
    warmup: float = 0.1
    floor: float = 0.1
    decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.context < 1 or (self.batch is not None and self.batch < 1) or self.most < 1:
            raise GemixError("context and batch are at least 1")
        if not self.rate > 0 or not self.clip > 0 or not self.decay >= 0:
            raise GemixError("rate and clip must be positive, and the weight decay not negative")
        if not 0 <= self.warmup < 1 or not 0 <= self.floor <= 1:
            raise GemixError("the share of warm-up is at least 0 and below 1, the share at which the rate ends 0 to 1")

    def plan(self, budget: int) -> tuple[int, int]:
        """Return (sequences, steps) of a budget of tokens: whole sequences, the last one begun counts.

        Raises:
            GemixError: no tokens.

        """
        if budget < 1:
            raise GemixError(f"a budget of {budget} tokens trains nothing")
        sequences = -(-budget // self.context)
        batch = self.batch or min(max(sequences // _STEPS, 8), self.most)
        return sequences, -(-sequences // batch)

    def json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self) | {"betas": list(self.betas)}


# RegMix trains for 1,000 steps of 512 x 2,048 tokens; a smaller budget keeps the steps and makes them smaller.
_STEPS: Final = 1000

PRESETS: Final[dict[str, tuple[Config, Training]]] = {
    "tiny": (Config(1, 32, 2, 2, 64), Training(rate=1e-2, context=64)),
    # RegMix's (arXiv 2407.01492): its code counts no embeddings in the names.
    "1m": (Config(2, 256, 8, 8, 512), Training(rate=4e-3)),
    "15m": (Config(6, 512, 8, 8, 1024), Training(rate=2e-3)),
    "60m": (Config(10, 768, 8, 8, 1536), Training(rate=1e-3, context=1024)),
    # DoReMi's (arXiv 2305.10429) as its public code has it, 18 x 1024; a gated MLP has three matrices, not two.
    "280m": (Config(18, 1024, 16, 16, 2736, tied=True), Training(rate=1e-3, context=1024)),
    # TinyLlama's (arXiv 2401.02385), the size of RegMix's and GEM's large runs.
    "1.1b": (Config(22, 2048, 32, 4, 5632), Training(rate=4e-4, context=2048)),
}


def preset(name: str) -> tuple[Config, Training]:
    """Return sizes and training of a preset.

    Raises:
        GemixError: there is no such preset.

    """
    if name not in PRESETS:
        raise GemixError(f"no transformer is called {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
