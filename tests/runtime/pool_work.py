"""What the processes of test_pool.py do with their tasks."""

import os
import signal
import time
from collections.abc import Callable

from gemix.runtime.errors import GemixError
from gemix.runtime.pool import run_all


def is_blocked() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def work(task: str, advance: Callable[[int], None]) -> str | int:
    advance(7)
    match task:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "bug":
            raise ValueError("a bug")
        case "sigint":
            return f"blocked there: {is_blocked()}"
        case "bad input":
            raise GemixError("file.jsonl: bad")
        case "number":
            return 3  # as a result: no progress
        case "truth":
            return True
        case "slow":
            time.sleep(60)
    return f"{task} by {os.getpid()}"


if __name__ == "__main__":
    run_all(work, ["sigint", "sigint"], 2, advance=lambda task, n: None, done=lambda task, outcome: print(outcome))
    print(f"blocked here: {is_blocked()}")
