"""What the processes of test_pool.py do with their tasks."""

import os
import signal
import time
from collections.abc import Callable

from gemix.errors import GemixError


def work(task: str, advance: Callable[[int], None]) -> str:
    advance(7)
    match task:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "bug":
            raise ValueError("a bug")
        case "bad input":
            raise GemixError("file.jsonl: bad")
        case "slow":
            time.sleep(60)
    return f"{task} by {os.getpid()}"
