"""Work on chunks of rows on all cores, with the same result whatever their number; BLAS on one thread."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ContextDecorator
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any, Final, TypeVar

from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _OneThread(ContextDecorator):
    """BLAS kept to the calling thread inside blocks that may overlap, in any threads.

    threadpoolctl puts back what it found, which is 1 where another thread's block is still open. So what the first
    block found is what every block puts back; every one does, because OpenBLAS takes the number from some threads only.
    """

    def __init__(self) -> None:
        self._lock, self._open = Lock(), 0
        self._first: Any = None

    def __enter__(self) -> None:
        with self._lock:
            limit = _controller().limit(limits=1, user_api="blas")
            if self._open == 0:
                self._first = limit
            self._open += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._open -= 1
            self._first.restore_original_limits()


_ONE_THREAD: Final = _OneThread()


def one_blas_thread() -> _OneThread:
    """Keep BLAS and LAPACK to the calling thread inside a block or function; blocks may overlap, in any threads."""
    return _ONE_THREAD


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
