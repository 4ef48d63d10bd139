"""Work on chunks of rows on all cores, with the same result whatever their number."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    workers = min(cores(), len(chunks))
    with one_blas_thread():
        if workers < 2:
            yield from map(function, chunks)
            return
        yield from _side_by_side(function, chunks, workers)


def _side_by_side(function: Callable[[slice], Result], chunks: list[slice], workers: int) -> Iterator[Result]:
    left = iter(chunks)
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(function, chunk) for chunk in islice(left, 2 * workers)]
        while waiting:
            result = waiting.pop(0).result()
            for chunk in islice(left, 1):
                waiting.append(pool.submit(function, chunk))
            yield result
