"""The decoder as functions of its parameters, which carry their Hugging Face names (`LlamaForCausalLM`)."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gemix.proxy.transformer.config import Config

Weights = dict[str, Tensor]


def initial(config: Config, vocabulary: int, seed: int, device: str = "cpu") -> Weights:
    """Return first parameters, float32; a seed gives the same on every device.

    Normal with variance 2 / (5 width) (arXiv 1910.05895), on the two matrices that write to the residual stream divided
    by sqrt(2 layers) (Radford et al. 2019); norms are 1.
    """
    std = math.sqrt(0.4 / config.width)
    random = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
    weights: Weights = {}
    for name, shape in config.shapes(vocabulary).items():
        if len(shape) == 1:
            weights[name] = torch.ones(shape, device=device)
            continue
        writes = name.endswith(("o_proj.weight", "down_proj.weight"))
        scale = std / math.sqrt(2 * config.layers) if writes else std
        weights[name] = torch.empty(shape).normal_(0.0, scale, generator=random).to(device)
    return weights


def vocabulary_of(weights: Weights) -> int:
    """Return the number of token ids that parameters are made for."""
    return len(weights["model.embed_tokens.weight"])


def device_of(weights: Weights) -> str:
    """Return where parameters lie, as torch names it."""
    return str(weights["model.norm.weight"].device)


def hidden(config: Config, weights: Weights, tokens: Tensor) -> Tensor:
    """Return the last hidden states, (B T, width), of token ids (B, T)."""
    b, t = tokens.shape
    d, size = config.width, config.head
    x = F.embedding(tokens, weights["model.embed_tokens.weight"]).view(b * t, d)
    turn = _rotary(config, t, x.device)
    for layer in range(config.layers):
        at = f"model.layers.{layer}."
        h = _norm(config, x, weights[f"{at}input_layernorm.weight"])
        q, k, v = (F.linear(h, weights[f"{at}self_attn.{part}_proj.weight"]) for part in "qkv")
        q = turn(q.view(b, t, config.heads, size).transpose(1, 2))
        k = turn(k.view(b, t, config.kv_heads, size).transpose(1, 2))
        v = v.view(b, t, config.kv_heads, size).transpose(1, 2)
        grouped = config.heads != config.kv_heads
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        a = a.transpose(1, 2).reshape(b * t, d)
        x = x + F.linear(a, weights[f"{at}self_attn.o_proj.weight"])
        h = _norm(config, x, weights[f"{at}post_attention_layernorm.weight"])
        gate, up = (F.linear(h, weights[f"{at}mlp.{part}_proj.weight"]) for part in ("gate", "up"))
        x = x + F.linear(F.silu(gate) * up, weights[f"{at}mlp.down_proj.weight"])
    return _norm(config, x, weights["model.norm.weight"])


def logits(config: Config, weights: Weights, tokens: Tensor) -> Tensor:
    """Return the logits of the next token, (B, T, vocabulary), of token ids (B, T)."""
    head = weights["model.embed_tokens.weight" if config.tied else "lm_head.weight"]
    return F.linear(hidden(config, weights, tokens), head).view(*tokens.shape, -1)


def token_losses(config: Config, weights: Weights, windows: Tensor) -> Tensor:
    """Return -log p of every token but the first, given those before it: (B, T) float32, of ids (B, T + 1)."""
    predicted = logits(config, weights, windows[:, :-1])
    flat = F.cross_entropy(predicted.reshape(-1, predicted.shape[-1]), windows[:, 1:].reshape(-1), reduction="none")
    return flat.float().view(len(windows), -1)


def _norm(config: Config, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (config.width,), None, config.epsilon) * weight


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
