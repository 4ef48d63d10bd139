"""The decoder as functions of its parameters, for M models at once.

Every parameter has a leading axis of M models, and a step of M models is one batched product a layer: the same code
trains one model and a stack of them. Parameters carry their Hugging Face names (`LlamaForCausalLM`).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gemix.proxy.transformer.config import Config

Weights = dict[str, Tensor]


def initial(config: Config, vocabulary: int, seeds: Sequence[int], device: str = "cpu") -> Weights:
    """Return first parameters of M models, (M, ...) float32; a seed gives the same model in whatever company.

    Normal with variance 2 / (5 width) (arXiv 1910.05895), on the two matrices that write to the residual stream divided
    by sqrt(2 layers) (Radford et al. 2019); norms are 1.
    """
    std = math.sqrt(0.4 / config.width)
    shapes = config.shapes(vocabulary)
    members = []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
        member: Weights = {}
        for name, shape in shapes.items():
            if len(shape) == 1:
                member[name] = torch.ones(shape)
                continue
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            scale = std / math.sqrt(2 * config.layers) if writes else std
            member[name] = torch.empty(shape).normal_(0.0, scale, generator=random)
        members.append(member)
    return {name: torch.stack([m[name] for m in members]).to(device) for name in shapes}


def hidden(config: Config, weights: Weights, tokens: Tensor) -> Tensor:
    """Return the last hidden states, (M, B T, width), of token ids (M, B, T)."""
    m, b, t = tokens.shape
    d, size = config.width, config.head
    table = weights["model.embed_tokens.weight"]
    if m > 1:
        tokens = tokens + torch.arange(m, device=tokens.device).mul_(table.shape[1])[:, None, None]
    x = F.embedding(tokens, table.reshape(-1, d)).view(m, b * t, d)
    turn = _rotary(config, t, x.device)
    for layer in range(config.layers):
        at = f"model.layers.{layer}."
        h = _norm(config, x, weights[f"{at}input_layernorm.weight"])
        q, k, v = (_linear(h, weights[f"{at}self_attn.{part}_proj.weight"]) for part in "qkv")
        q = turn(q.view(m * b, t, config.heads, size).transpose(1, 2))
        k = turn(k.view(m * b, t, config.kv_heads, size).transpose(1, 2))
        v = v.view(m * b, t, config.kv_heads, size).transpose(1, 2)
        grouped = config.heads != config.kv_heads
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        a = a.transpose(1, 2).reshape(m, b * t, d)
        x = x + _linear(a, weights[f"{at}self_attn.o_proj.weight"])
        h = _norm(config, x, weights[f"{at}post_attention_layernorm.weight"])
        gate, up = (_linear(h, weights[f"{at}mlp.{part}_proj.weight"]) for part in ("gate", "up"))
        x = x + _linear(F.silu(gate) * up, weights[f"{at}mlp.down_proj.weight"])
    return _norm(config, x, weights["model.norm.weight"])


def logits(config: Config, weights: Weights, tokens: Tensor) -> Tensor:
    """Return the logits of the next token, (M, B, T, vocabulary), of token ids (M, B, T)."""
    head = weights["model.embed_tokens.weight" if config.tied else "lm_head.weight"]
    return _linear(hidden(config, weights, tokens), head).view(*tokens.shape, -1)


def token_losses(config: Config, weights: Weights, windows: Tensor) -> Tensor:
    """Return -log p of every token but the first, given those before it: (M, B, T) float32, of ids (M, B, T + 1)."""
    predicted = logits(config, weights, windows[..., :-1])
    flat = F.cross_entropy(predicted.reshape(-1, predicted.shape[-1]), windows[..., 1:].reshape(-1), reduction="none")
    return flat.float().view(windows.shape[0], windows.shape[1], -1)


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    # One model: the plain product is faster than a batch of one.
    return F.linear(x, weight[0]) if len(weight) == 1 else torch.bmm(x, weight.mT)


def _norm(config: Config, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (config.width,), None, config.epsilon) * weight[:, None]


def _rotary(config: Config, t: int, device: Any) -> Callable[[Tensor], Tensor]:
    """Return what turns pairs (i, i + size / 2) of a head by position times base^(-2 i / size), as LLaMA's files do."""
    half = config.head // 2
    frequency = config.base ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    angle = torch.outer(torch.arange(t, device=device, dtype=torch.float32), frequency)
    cos, sin = angle.cos(), angle.sin()

    def turn(x: Tensor) -> Tensor:
        first, second = x.float().chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)

    return turn
