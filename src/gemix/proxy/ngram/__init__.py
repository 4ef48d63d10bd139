"""Interpolated n-gram models of mixtures: counted once, then a mixture costs milliseconds."""

from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError

if not can_compile():
    raise GemixError("the n-gram proxy needs numba, which cannot be loaded here: pip install numba")

from gemix.proxy.ngram.proxy import NgramProxy

__all__ = ["NgramProxy"]
