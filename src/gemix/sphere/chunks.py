"""Work on chunks of rows on all cores, with the same result whatever their number."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep BLAS and LAPACK to the calling thread inside the block."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context


def in_order(function: Callable[[slice], Result], chunks: Iterable[slice]) -> Iterator[Result]:
    """Yield function(chunk) in the order of the chunks, computed side by side.

    A chunk's product runs on one BLAS thread: its bytes then depend on the chunk alone, and small products scale better
    over chunks than inside one. At most two results a core wait to be taken.
    """
    chunks = list(chunks)
    workers = cores()
    with one_blas_thread():
        if min(workers, len(chunks)) < 2:
            yield from map(function, chunks)
            return
        yield from _side_by_side(function, chunks, workers)


@lru_cache(maxsize=1)
def _pool(workers: int) -> ThreadPoolExecutor:
    """Return threads that stay: a fit has a thousand short loops, and starting two threads takes as long as a chunk."""
    return ThreadPoolExecutor(workers, "gemix")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


def _side_by_side(function: Callable[[slice], Result], chunks: list[slice], workers: int) -> Iterator[Result]:
    left, pool = iter(chunks), _pool(workers)
    waiting = [pool.submit(function, chunk) for chunk in islice(left, 2 * workers)]
    try:
        while waiting:
            result = waiting.pop(0).result()
            for chunk in islice(left, 1):
                waiting.append(pool.submit(function, chunk))
            yield result
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)
