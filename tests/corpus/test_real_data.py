from pathlib import Path

import pytest

from gemix.corpus.reader import read_batches
from gemix.corpus.seed import sample_seed
from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the measurement data are not here")
@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("web_pages", 9608, {"url", "topic", "format", "topic_confidence", "format_confidence"}),
        ("synthetic_llm", 12998, {"prompt", "prompt_source", "generator", "source", "ai"}),
    ],
)
def test_real_files_are_read_without_loss(name, rows, columns):
    (shard,) = resolve_shards([DATA / f"{name}.jsonl.zst"])
    ids, seen = set(), set()
    for batch in read_batches(shard, with_extras=True):
        assert batch.reasons.null_count == len(batch)
        seen.update(*batch.extras)
        ids.update(batch.ids.to_pylist())
    assert (len(ids), seen) == (rows, columns)
    sample = sample_seed([shard], documents=500, window=Window(1000))
    assert (len(sample.table), sample.shards[0].documents, sample.bad.total) == (500, rows, 0)
