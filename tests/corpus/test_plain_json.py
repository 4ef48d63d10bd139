import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gemix.corpus.jsonl import parse_line
from gemix.corpus.plain_json import parse_plain
from gemix.corpus.rows import Batch, Reason, make_batch


def by_parser(lines: list[bytes], text_key: str, id_key: str) -> tuple[list[tuple], list[dict]]:
    records = [parse_line(line) for line in lines]
    texts = [r if isinstance(r, Reason) else r.pop(text_key, None) for r in records]
    ids = [None if isinstance(r, Reason) else r.pop(id_key, None) for r in records]
    return rows(make_batch("s", 1, ids, texts)), [{} if isinstance(r, Reason) else r for r in records]


def rows(batch: Batch) -> list[tuple]:
    return list(zip(*(column.to_pylist() for column in (batch.ids, batch.texts, batch.reasons)), strict=True))


def check(lines: list[bytes], text_key: str = "text", id_key: str = "id", others: tuple[str, ...] = ()) -> bool:
    """Compare the kernel with the parser; return whether it took the lines for plain."""
    found = parse_plain(lines, text_key, id_key, others)
    if found is None:
        return False
    for column in found:
        column.validate(full=True)
    expected, records = by_parser(lines, text_key, id_key)
    assert rows(make_batch("s", 1, found[1], found[0])) == expected
    for name, column in zip(others, found[2:], strict=True):
        assert column.to_pylist() == [record.get(name) for record in records]
    return True


STRINGS = st.text(max_size=80) | st.text('ab"\\/\n\t\x08\x00\x7fé€🙂', max_size=80)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda value: st.lists(value, max_size=3) | st.dictionaries(STRINGS, value, max_size=3),
    max_leaves=6,
)
PLAIN = st.fixed_dictionaries(
    {"text": STRINGS | st.none()},
    optional={"id": STRINGS | st.none() | st.integers(-(10**17), 10**17), "other": VALUES, "Text": VALUES, "x": VALUES},
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), ("\t,\r", " : ")])


@settings(deadline=None)
@given(st.lists(PLAIN, min_size=1, max_size=5), st.booleans(), SEPARATORS)
def test_plain_json_is_read_as_the_parser_reads_it(records, ascii_only, separators):
    lines = [json.dumps(r, ensure_ascii=ascii_only, separators=separators).encode() for r in records]
    assert check(lines)


@settings(deadline=None)
@given(
    st.lists(PLAIN, min_size=1, max_size=5), st.sampled_from([("x",), ("x", "other"), ("Text", "text"), ("id", "x")])
)
def test_other_columns_are_strings_or_the_parser_reads_them(records, others):
    lines = [json.dumps(record).encode() for record in records]
    wanted = [record.get(name) for record in records for name in others if name not in ("text", "id")]
    assert check(lines, others=others) == all(value is None or isinstance(value, str) for value in wanted)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b" { } ",
        b'{"text":"a"}\r',
        b'{"text": "a", "text": null, "id": 5, "id": "five"}',
        b'{"text": "a", "x": [[], {}, [{"y": [1.5e-3, -0, {}]}, true], {"z": {"": false}}]}',
    ],
)
def test_plain_lines(line):
    assert check([line, line])


PIECES = [
    *(b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"{", b"}", b"[", b"]", b",", b":", b"1", b"0"),
    *(b"-", b".", b"e", b"+", b"nul", b"null", b"true", b"NaN", b"Infinity", b" ", b"\x00", b"\x1f", b"\xff"),
    *(b"\xed\xa0\x80", b'"text":', b'"id":', b'"text":"again",', b'"id":7,'),
]
EDITS = st.tuples(st.integers(0, 300), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from(PIECES))


@settings(max_examples=400, deadline=None)
@given(
    records=st.lists(PLAIN, min_size=1, max_size=3),
    edits=st.lists(EDITS, min_size=1, max_size=3),
    ascii_only=st.booleans(),
)
@example([{"text": "a"}], [(3, 1, b"\\u0074")], True)
def test_whatever_is_wrong_with_a_line_no_other_row_is_read(records, edits, ascii_only):
    lines = [json.dumps(r, ensure_ascii=ascii_only).encode() for r in records]
    for position, length, new in edits:
        row = position % len(lines)
        place = position % (len(lines[row]) + 1)
        lines[row] = lines[row][:place] + new + lines[row][place + length :]
    lines = [line.replace(b"\n", b" ") for line in lines]
    check(lines)


@settings(deadline=None)
@given(st.lists(st.text('{}[]":,\\untrefalsid0123456789.eE+- ', max_size=40).map(str.encode), min_size=1, max_size=3))
def test_no_line_makes_the_kernel_fail(lines):
    check(lines)


@pytest.mark.parametrize("cut", range(60))
def test_a_line_that_ends_anywhere(cut):
    line = b'{"text": "a\\n\\u00e9\\ud83d\\ude00", "id": -12, "x": [1e5, {"y": null}]}'
    assert check([line])
    assert not check([line[:cut]])
    assert not check([line[:cut], line])


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"text": 5}', b'{"text": ["a"]}', b'{"text": {"a": 1}}', b'{"text": true}', b'{"id": 1.5}', b'{"id": -0}'),
        *(b'{"id": 1234567890123456789}', b'{"id": [1]}', b'{"te\\u0078t": "a"}', b'{"x": NaN}', b'{"x": 01}'),
        *(b'{"x": ' + b"9" * 50 + b"}", b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", b'["text"]', b'{"text": "\xff"}'),
        *(b'{"x": "\\ud800"}', b'{"text": "a"} {}', b'{"text": "a",}', b"{,}", b'{"x": [1,]}', b'{"x": {"y"}}'),
        *(b"\xef\xbb\xbf{}", b"", b'{"x": [}', b'{"x": {]}', b'{"x": [1}}', b'{"x": "\t"}', b"{} \x00"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(line):
    assert parse_plain([line], "text", "id") is None


def test_one_key_for_both_and_keys_that_are_not_ascii():
    lines = [b'{"text": "a", "id": "b"}', '{"é": "c", "text": "d"}'.encode()]
    assert check(lines, "text", "text")
    assert check(lines, "é", "id")
    texts, _ = parse_plain(lines, "é", "id")
    assert texts.to_pylist() == [None, "c"]


def test_lines_of_every_length_around_the_size_of_a_group():
    lines = [json.dumps({"id": i, "text": "é\n" * 700 * i}).encode() for i in range(40)]
    lines.insert(20, json.dumps({"text": "long " * 200_000}).encode())
    assert check(lines)
