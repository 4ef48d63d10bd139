"""Label on request, each time in a process forked from this one: so it costs no start of an interpreter.

label_server.py STUDENT. A request is a line of JSON: corpus, student, out; environment (variables that are set first),
kill_after (seconds until SIGKILL), part_bytes. The answer, too: code (negative: the signal that ended it), stderr,
seconds.
"""

import json
import math
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from gemix.corpus.shards import resolve_shards
from gemix.labels import label_corpus, parts
from gemix.runtime.errors import GemixError
from gemix.student import load_student


def label(request: dict[str, Any]) -> int:
    os.environ.update(request.get("environment", {}))
    parts.PART_BYTES = request.get("part_bytes", parts.PART_BYTES)  # type: ignore[misc]
    try:
        label_corpus(resolve_shards([request["corpus"]]), Path(request["student"]), Path(request["out"]))
    except GemixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def answer(request: dict[str, Any], stderr: BinaryIO) -> dict[str, Any]:
    begin = time.perf_counter()
    child = os.fork()
    if not child:
        os.dup2(stderr.fileno(), 2)
        code = 70  # of a bug
        try:
            code = label(request)
        finally:
            sys.stderr.flush()
            os._exit(code)
    end = begin + request.get("kill_after", math.inf)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.001)
        if time.perf_counter() > end:
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(ended[1])
    seconds = time.perf_counter() - begin
    stderr.seek(0)
    return {"code": code, "stderr": stderr.read().decode(), "seconds": seconds}


if __name__ == "__main__":
    # What is compiled is loaded here, once.
    texts = pa.array(["a text"])
    load_student(Path(sys.argv[1])).predict(texts)
    for line in sys.stdin:
        with tempfile.TemporaryFile() as stderr:
            print(json.dumps(answer(json.loads(line), stderr)), flush=True)
