"""In a fresh process for test_compiled.py: what is compiled by `Job.compile_kernels`, and what by labelling after it.

python count_compiled.py STUDENT OUT CORPUS
"""

import gc
import sys
from pathlib import Path

from numba.core.registry import CPUDispatcher

from gemix.corpus.shards import resolve_shards
from gemix.labels import Reading
from gemix.labels.job import Job
from gemix.labels.reading import beside
from gemix.student import student_fingerprint


def count() -> int:
    """Return the number of compiled functions, each for its types, of gemix."""
    kernels = [item for item in gc.get_objects() if isinstance(item, CPUDispatcher)]
    return sum(len(kernel.signatures) for kernel in kernels if kernel.py_func.__module__.startswith("gemix."))


if __name__ == "__main__":
    student, out, corpus = map(Path, sys.argv[1:])
    shards = resolve_shards([corpus])
    job = Job(student, student_fingerprint(student), out, Reading(tokenizer=beside(student)))
    job.compile_kernels(any(shard.format != ".parquet" for shard in shards))
    before = count()
    for shard in shards:
        job.make(shard, lambda n: None)
    print(before, count())
