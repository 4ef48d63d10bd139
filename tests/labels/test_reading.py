from pathlib import Path

import numpy as np
import pytest
from label_data import make_rows

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Reading
from gemix.labels.reading import ONE_IN
from gemix.runtime.errors import GemixError
from gemix.tokens.estimate import Counted, estimate_tokens


def test_the_choice_is_of_so_many_and_its_intervals_hold_the_truth() -> None:
    texts = [row["text"] for row in make_rows(2600, 0)]
    tokens, sizes = [len(text.split()) for text in texts], [len(text) for text in texts]
    reading, rows = Reading(one_in=10), np.arange(1, len(texts) + 1)
    shares, held = [], 0
    for shard in range(100):
        chosen = reading.chosen(f"shard-{shard}", rows)
        shares.append(chosen.mean())
        counted = Counted.none(1)
        for i in np.flatnonzero(chosen):
            counted.add(0, tokens[i], sizes[i])
        found = estimate_tokens([len(texts)], [sum(sizes)], counted)
        held += found.low[0] <= sum(tokens) <= found.high[0]
    assert np.mean(shares) == pytest.approx(0.1, rel=0.03)
    assert held >= 88  # 95 of 100, less three standard errors


def test_the_choice_is_of_a_row_whatever_stands_beside_it() -> None:
    reading, rows = Reading(one_in=5), np.arange(1, 1000)
    whole = reading.chosen("a", rows)
    assert np.array_equal(reading.chosen("a", rows[300:]), whole[300:])
    assert not np.array_equal(reading.chosen("b", rows), whole)


def test_small_corpora_are_counted_whole(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("{}\n")
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(b"")
    plain, packed = resolve_shards([tmp_path / "in"])
    reading = Reading(tokenizer=tmp_path / "t.json")
    sizes: dict[Shard, int]
    for sizes, expected in (
        ({plain: 99_000_000}, 1),
        ({plain: 100_000_000}, ONE_IN),
        ({packed: 33_000_000}, 1),
        ({packed: 34_000_000}, ONE_IN),
    ):
        assert reading.of(tmp_path / "student", sizes).one_in == expected
    assert Reading(tokenizer=tmp_path / "t.json", one_in=1).of(tmp_path, {plain: 10**12}).one_in == 1
    with pytest.raises(GemixError, match=r"tokenizer\.json to count tokens with: give one"):
        Reading().of(tmp_path / "student", {plain: 1})
