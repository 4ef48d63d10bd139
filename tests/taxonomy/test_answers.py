import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.taxonomy.answers import MAX_SENTENCE, Answer, UnusableAnswer, parse

GOOD = {
    "name": "Home Cooking",
    "description": "About cooking at home.",
    "belongs": "Recipes {with braces}.",
    "excludes": "Restaurants.",
}
TEXT = json.dumps(GOOD)
DRAFT = json.dumps(GOOD | {"name": "A Draft"})
SCHEMA = json.dumps({"type": "object", "properties": {key: {"type": "string"} for key in GOOD}, "required": [*GOOD]})
TEMPLATE = '{"name": "...", "description": "...", "belongs": "...", "excludes": "..."}'


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"~~~\n{TEXT}\n~~~ That is {{it}}.",
        f"<think>Is it {{x}}? Or {DRAFT}? No.</think>\n{TEXT}",
        f"<thinking>{{</thinking>{TEXT}",
        f"{DRAFT}</think>{TEXT}",
        f"<|channel|>analysis<|message|>{{maybe}} {DRAFT}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{TEXT}<|return|>",
        f"Sets like {{a, b}} matter. Here it is: {TEXT} I hope {{that}} helps {{}}.",
        f"The schema is {SCHEMA}. My answer: {TEXT}",
        f"{TEMPLATE}\n{TEXT}",
        f"{TEXT}\nIt follows {TEMPLATE}",
        f"Draft: {DRAFT}\nFinal: {TEXT}",
        json.dumps({"answer": GOOD}),
        json.dumps({"result": {"domain": [GOOD]}}),
        json.dumps([GOOD]),
        json.dumps({key.upper(): value for key, value in GOOD.items()}),
        json.dumps({f" {key.title()} ": value for key, value in GOOD.items()}),
        TEXT[:-1] + ",\n}",
        '{"answer": ' + TEXT[:-1] + ", },}",
        TEXT.replace("cooking at home", "cooking\nat\thome"),
        TEXT.replace("cooking at home", "cooking\\nat home"),
        TEXT.replace('{"', '{\\n  \\"').replace('"', '\\"').replace("\\\\", "\\"),
        json.dumps(TEXT),
        json.dumps(json.dumps(GOOD, indent=2)),
        json.dumps(GOOD | {"confidence": 0.9, "tags": ["a"], "meta": {"k": {}}}),
    ],
)
def test_the_last_object_that_fits_is_the_answer(text: str) -> None:
    assert parse(text) == Answer(**GOOD)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("about cooking", "it holds no JSON object"),
        ("{so} {it} goes", "it is not valid JSON"),
        (SCHEMA, "Field required"),
        (TEMPLATE, "a name needs letters"),
        ('{"a":' * 50_000, "it is not valid JSON"),
        ("{" * 100_000, "it is not valid JSON"),
    ],
)
def test_what_holds_no_answer_says_why(text: str, fault: str) -> None:
    with pytest.raises(UnusableAnswer, match=fault) as found:
        parse(text)
    assert found.value.cut is None


def test_what_is_too_long_is_named_and_cut_at_a_word() -> None:
    long = GOOD | {"name": "Home cooking for families and their friends", "description": "word " * 80}
    with pytest.raises(UnusableAnswer, match=r"at most 32 characters.*at most 300 characters") as found:
        parse(f"{{draft}} {json.dumps(long)}")
    cut = found.value.cut
    assert cut is not None
    assert cut.name == "Home cooking for families and"
    assert len(cut.description) <= MAX_SENTENCE
    assert set(cut.description.split()) == {"word"}
    with pytest.raises(UnusableAnswer) as found:
        parse(json.dumps(long | {"belongs": None}))
    assert found.value.cut is None


@given(st.text('{}[]"\\:, \nabé', max_size=60), st.text('{}[]"\\:, \nabé', max_size=60))
def test_any_text_gives_an_answer_or_a_fault(before: str, after: str) -> None:
    for text in (before, before + TEXT + after):
        with suppress(UnusableAnswer):
            assert isinstance(parse(text), Answer)
