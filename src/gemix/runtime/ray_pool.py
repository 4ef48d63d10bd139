"""The same tasks for the workers of a Ray cluster: one Ray task each."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from gemix.runtime.errors import GemixError
from gemix.runtime.pool import Failure, Result, Task, Work, attempt

RETRIES: Final = 3  # of a task whose worker or machine was lost
MAX_CALLS: Final = 256  # of one worker process before a fresh one takes its place: what libraries leak stays small
_WAITING: Final = 1000  # tasks that the cluster knows of beside those at work: enough for its autoscaler to see


def run_on_ray(
    work: Work[Task, Result],
    tasks: Sequence[Task],
    workers: int,
    address: str,
    *,
    advance: Callable[[Task, int], None],
    done: Callable[[Task, Result | Failure], None],
) -> None:
    """Call `work(task, advance)` for each task, begun in this order, by Ray; see `gemix.runtime.pool.run_all`.

    A task whose worker dies (the machine is lost, memory ran out) is tried again, on another worker; one that fails by
    itself is not. What `work` hands to its `advance` is lost: a task moves the bar when it is done.

    Args:
        work: As there; its module has to be importable on every machine of the cluster.
        tasks: As there.
        workers: Number of processors of a cluster that is started here (address "local").
        address: See `ray.init`: "local", "auto" for the cluster that this machine belongs to, "host:port", "ray://...".
            If this process is in a cluster already, that is used.
        advance: Not called.
        done: As there.

    Raises:
        GemixError: Ray is not installed, or there is no such cluster.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise GemixError('--ray needs Ray: pip install "gemix[ray]"') from error
    started = not ray.is_initialized()
    if started:
        _connect(ray, address, workers)
    pending: dict[Any, Task] = {}
    try:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES, max_calls=MAX_CALLS)(_attempt)
        boxed = [ray.put(work)]
        cluster_resources: Callable[[], dict[str, float]] = ray.cluster_resources
        queue = deque(tasks)
        while queue or pending:
            limit = int(cluster_resources().get("CPU", 1)) + _WAITING
            while queue and len(pending) < limit:
                task = queue.popleft()
                pending[remote.remote(boxed, task)] = task
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            done(pending.pop(ready), _get(ray, ready))
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)
        if started:
            ray.shutdown()


def _connect(ray: Any, address: str, workers: int) -> None:
    options = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=True, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise GemixError(f"--ray {address}: no cluster there ({str(error).strip().partition(chr(10))[0]})") from error


def _get(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        message = str(error).strip().partition("\n")[0]
        return Failure(f"{type(error).__name__} after {RETRIES} more attempts: {message}")


_works: dict[Any, Any] = {}  # of this worker process: student and counter are loaded once, not for every task


def _attempt(boxed: list[Any], task: Any) -> Any:
    import ray

    (reference,) = boxed
    if reference not in _works:
        _works.clear()
        _works[reference] = ray.get(reference)
    return attempt(_works[reference], task, lambda n: None)
