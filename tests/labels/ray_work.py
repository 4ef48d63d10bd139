"""What the tasks of test_ray.py do; Ray's workers import it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from gemix.runtime.errors import GemixError


def work(task: str, advance: Callable[[int], None]) -> str:
    advance(7)
    if task.startswith("killed once "):
        mark = Path(task.removeprefix("killed once "))
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif task == "bug":
        raise ValueError("a bug")
    elif task == "bad input":
        raise GemixError("file.jsonl: bad")
    elif task.startswith("slow"):
        time.sleep(60)
    return f"{task} by {os.getpid()}"
