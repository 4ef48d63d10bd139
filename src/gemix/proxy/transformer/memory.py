"""Memory that a training frees stays with the process until its end."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Of malloc.h. The defaults are where glibc's own adjustment ends once blocks of 32 MB were freed, as in any training:
# after a call of mallopt it adjusts no more.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_DEFAULTS: Final = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 65_536}


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let glibc keep what the block frees, and give it back at the end; elsewhere do nothing. Also a decorator.

    A step frees and asks again for the same arrays of tens of megabytes. By default they go to the system and come
    back empty, page by page.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        for name, value in _DEFAULTS.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
