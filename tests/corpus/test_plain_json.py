"""Reading a few columns of JSON lines finds the same rows, for the same reasons, as reading all of them."""

import json
from pathlib import Path

import pytest
from corpus_data import columns
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gemix.corpus.plain_json import plain_reader
from gemix.corpus.reader import read_batches
from gemix.corpus.rows import Reason
from gemix.corpus.shards import Shard


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lines") / "s.jsonl"


def check(file: Path, lines: list[bytes], others: tuple[str, ...] = (), **keys: str) -> list[Reason | None]:
    """Read the lines with some columns and with all; return the reasons."""
    file.write_bytes(b"\n".join([*lines, b"{}"]))
    few = list(read_batches(Shard("s", file), with_extras=others, **keys))
    whole = list(read_batches(Shard("s", file), with_extras=True, **keys))
    assert len(few) == len(whole)
    for one, other in zip(few, whole, strict=True):
        assert columns(one) == columns(other)
        if others:
            for found, record in zip(one.extras, other.extras, strict=True):
                assert repr([found.get(name) for name in others]) == repr([record.get(name) for name in others])
    return [reason for batch in few for reason in columns(batch)[2]][: len(lines)]


STRINGS = st.text(max_size=80) | st.text('ab"\\/\n\t\x08\x00\x7fé€🙂', max_size=80)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda value: st.lists(value, max_size=3) | st.dictionaries(STRINGS, value, max_size=3),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries(
    {"text": STRINGS | VALUES}, optional={"id": VALUES, "other": VALUES, "Text": VALUES, "x": VALUES, "é": VALUES}
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), ("\t,\r", " : ")])
OTHERS = st.sampled_from([(), ("x",), ("x", "other", "é"), ("Text", "text"), ("id", "x")])


@settings(deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=5), st.booleans(), SEPARATORS, OTHERS)
def test_whatever_a_writer_of_json_writes(file, records, ascii_only, separators, others):
    lines = [json.dumps(r, ensure_ascii=ascii_only, separators=separators).encode() for r in records]
    found = check(file, lines, others)
    assert not {Reason.BAD_JSON, Reason.NOT_AN_OBJECT, Reason.INVALID_UTF8}.intersection(found)


PIECES = [
    *(b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"{", b"}", b"[", b"]", b",", b":", b"1", b"0"),
    *(b"-", b".", b"e", b"+", b"nul", b"null", b"true", b"NaN", b"Infinity", b" ", b"\x00", b"\x1f", b"\xff"),
    *(b"\xed\xa0\x80", b'"text":', b'"id":', b'"text":"again",', b'"id":7,', b"9" * 5000),
]
EDITS = st.tuples(st.integers(0, 300), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from(PIECES))


@settings(max_examples=400, deadline=None)
@given(
    records=st.lists(RECORDS, min_size=1, max_size=3),
    edits=st.lists(EDITS, min_size=1, max_size=3),
    ascii_only=st.booleans(),
)
@example([{"text": "a"}], [(3, 1, b"\\u0074")], True)
def test_whatever_is_wrong_with_a_line_no_other_row_is_read(file, records, edits, ascii_only):
    lines = [json.dumps(r, ensure_ascii=ascii_only).encode() for r in records]
    for position, length, new in edits:
        row = position % len(lines)
        place = position % (len(lines[row]) + 1)
        lines[row] = lines[row][:place] + new + lines[row][place + length :]
    check(file, [line.replace(b"\n", b" ") for line in lines], ("x",))


@settings(deadline=None)
@given(st.lists(st.text('{}[]":,\\untrefalsid0123456789.eE+- ', max_size=40).map(str.encode), min_size=1, max_size=3))
def test_no_line_makes_the_reader_fail(file, lines):
    check(file, lines)


@pytest.mark.parametrize("cut", range(60))
def test_a_line_that_ends_anywhere(file, cut):
    line = b'{"text": "a\\n\\u00e9\\ud83d\\ude00", "id": -12, "x": [1e5, {"y": null}]}'
    assert check(file, [line, line[:cut], line]) == [None, Reason.BAD_JSON if cut else Reason.BLANK_LINE, None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "t", "x": "\xff"}', Reason.INVALID_UTF8),
        (b'{"text": "t", "\xff": 1}', Reason.INVALID_UTF8),
        (b'{"text": "t", "x": {"k\xed\xa0\x80": 1}}', Reason.INVALID_UTF8),
        (b'{"text": "t", "x": "\\ud800"}', Reason.INVALID_UTF8),
        (b'{"text": "t", "x": ["\\udead"]}', Reason.INVALID_UTF8),
        (b'{"text": "t", "x": ' + b"9" * 4300 + b"}", None),
        (b'{"text": "t", "x": ' + b"9" * 4301 + b"}", Reason.BAD_JSON),
        (b'{"text": "t", "x": [{"y": ' + b"-" + b"9" * 9000 + b"}]}", Reason.BAD_JSON),
        (b'{"text": "' + b"123 " * 3000 + b'"}', None),
        (b'{"text": "t", "x": 1e999}', None),
        (b'{"text": "t", "x": [NaN, -Infinity]}', None),
        (b'{"text": "t", "x": "\t"}', Reason.BAD_JSON),
        (b'{"text": "t", "x": "\\q"}', Reason.BAD_JSON),
        (b'{"text": "t", "x": 01}', Reason.BAD_JSON),
        (b'{"text": "t", "x": [1,]}', Reason.BAD_JSON),
        (b'{"text": "t", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", Reason.BAD_JSON),
        (b'{"text": "first", "text": 5}', Reason.TEXT_NOT_STRING),
        (b'{"text": 5, "text": "last"}', None),
        (b'{"text": {"text": "deep"}}', Reason.TEXT_NOT_STRING),
        (b'{"te\\u0078t": "t"}', None),
    ],
)
def test_what_stands_in_columns_that_nobody_asked_for(file, line, reason):
    good = b'{"text": "good", "id": "g"}'
    assert check(file, [good, line, good]) == [None, reason, None]


@pytest.mark.parametrize("key", ["é", "日本", "", 'a"b', "a\\b", "a\tb", "a b", "__class__", "🙂", "e\u0301"])
def test_keys_of_every_kind(file, key):
    records = [{"id": "i", key: "t"}, {"id": 5, key: None}, {"text": "t"}]
    lines = [json.dumps(r, ensure_ascii=ascii_only).encode() for r in records for ascii_only in (True, False)]
    assert check(file, lines, text_key=key) == [None, None] + [Reason.MISSING_TEXT] * 4
    assert check(file, lines, (key,), id_key=key) == [Reason.MISSING_TEXT] * 4 + [None, None]


def test_one_key_for_both_and_a_key_that_no_file_can_hold(file):
    lines = [b'{"text": "a", "id": "b"}', b'{"id": "\\ud800"}']
    assert check(file, lines, text_key="text", id_key="text") == [None, Reason.INVALID_UTF8]
    assert check(file, lines, text_key="\ud800") == [Reason.MISSING_TEXT, Reason.INVALID_UTF8]


def test_what_is_plain():
    read = plain_reader("text", "id", ["x"])
    texts, ids, others = read(
        [b'{"text": "t\\n\\ud83d\\ude42", "y": [1, 2], "id": 7}', b'{"text": null, "x": 1.5}', b" {} "]
    )
    texts.validate(full=True)
    assert (texts.to_pylist(), ids, others) == (["t\n🙂", None, None], [7, None, None], [(None,), (1.5,), (None,)])
    for line in (b'{"text": 5}', b'{"x": NaN}', b'["text"]', b'{"x": "\xff"}', b"", b'{"text": "a"} {}'):
        assert read([line]) is None


@given(st.lists(STRINGS, min_size=1), st.booleans())
def test_escapes_of_every_kind(strings, ascii_only):
    lines = [json.dumps({"text": text}, ensure_ascii=ascii_only).encode() for text in strings]
    texts, _, _ = plain_reader("text", "id")(lines)
    texts.validate(full=True)
    assert texts.to_pylist() == strings


def test_every_character_escaped():
    strings = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    lines = [json.dumps({"text": "".join(strings[i : i + 64])}).encode() for i in range(0, len(strings), 64)]
    upper = [line.upper().replace(b"TEXT", b"text").replace(b"\\U", b"\\u") for line in lines[8:]]
    texts, _, _ = plain_reader("text", "id")([*lines, *upper])
    found = texts.to_pylist()
    assert "".join(found[: len(lines)]) == "".join(strings)
    assert found[len(lines) :] == found[8 : len(lines)]


def test_lines_of_every_length(file):
    lines = [json.dumps({"id": i, "text": "é\n" * 700 * i + "."}).encode() for i in range(40)]
    lines.insert(20, json.dumps({"text": "long " * 200_000}).encode())
    assert check(file, lines) == [None] * 41
