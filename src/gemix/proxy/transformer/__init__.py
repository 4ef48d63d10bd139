"""Transformer proxies. Needs torch."""

from gemix.embed.base import needs

with needs("proxy"):
    import torch  # noqa: F401

from gemix.proxy.transformer.config import PRESETS, Config, Training
from gemix.proxy.transformer.proxy import TransformerProxy

__all__ = ["PRESETS", "Config", "Training", "TransformerProxy"]
