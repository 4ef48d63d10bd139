import platform
import resource

import numpy as np
import pytest

from gemix.proxy.transformer.memory import kept_memory

BLOCK = 48 << 20  # more than glibc ever keeps by itself


def new_pages() -> int:
    """Pages that the system hands out while a block is asked for, filled and freed a second time."""
    np.ones(BLOCK, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(BLOCK, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_freed_blocks_stay_until_the_end():
    few = BLOCK // (2 << 20) // 2  # half of its pages, were they huge ones
    with kept_memory():
        assert new_pages() < few


def test_it_decorates():
    @kept_memory()
    def double(x: int) -> int:
        return 2 * x

    assert [double(1), double(2)] == [2, 4]
