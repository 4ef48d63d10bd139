from uuid import UUID

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gemix.corpus.parquet import _strings
from gemix.corpus.rows import Reason, make_batch


def test_a_text_of_white_space_is_empty_whatever_white_space_it_is():
    texts = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    batch = make_batch("s", 1, pa.nulls(len(texts), pa.string()), pa.array(texts))
    assert batch.texts.is_null().to_pylist() == [text.isspace() for text in texts]
    assert set(batch.reasons.to_pylist()) == {None, Reason.EMPTY_TEXT}


def test_values_of_every_kind():
    texts = ["a", None, "", 5, Reason.BAD_JSON, "b", "c", "d"]
    ids = ["x", "y", "z", "bad", "bad", 7, UUID(int=0), ""]
    batch = make_batch("s", 11, ids, texts, [{"n": i} for i in range(8)])
    assert batch.ids.to_pylist() == ["x", "s:12", "s:13", "s:14", "s:15", "7", str(UUID(int=0)), "s:18"]
    assert batch.texts.to_pylist() == ["a", None, None, None, None, "b", "c", "d"]
    bad = [None, "missing_text", "empty_text", "text_not_string", "bad_json", None, None, None]
    assert batch.reasons.to_pylist() == bad
    assert batch.extras == [{} if reason else {"n": i} for i, reason in enumerate(bad)]
    assert batch.good_texts.to_pylist() == ["a", "b", "c", "d"]


@given(st.lists(st.binary(max_size=6) | st.text(max_size=4).map(str.encode), max_size=4))
def test_strings_are_utf8_as_python_says(values):
    def decode(data: bytes) -> str | None:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None

    for kind in (pa.string(), pa.binary()):
        found = _strings(pa.array(values, pa.binary()).view(kind), lambda data: None)
        assert (found.to_pylist() if isinstance(found, pa.Array) else found) == [decode(value) for value in values]
