"""What counts as an answer of a language model, and where it stands in what servers really send.

The answer is the last JSON object that fits `Answer`, anywhere in the text: behind thoughts, in fences, in a harmony
channel, under a key of another object, after a schema that is echoed or a draft.
"""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from gemix.taxonomy.names import CONTROL, MAX_CHARACTERS, slug

MAX_SENTENCE: Final = 300  # characters
_LIMITS: Final = {
    "name": MAX_CHARACTERS,
    "description": MAX_SENTENCE,
    "belongs": MAX_SENTENCE,
    "excludes": MAX_SENTENCE,
}
_MOST_OBJECTS: Final = 200  # that are tried, from the end
_TRAILING_COMMA: Final = re.compile(r",(\s*[}\]])")
_DECODER: Final = json.JSONDecoder(strict=False)  # raw line breaks in strings are allowed


def _printable(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("control characters are not allowed")
    return text


def _has_letters(text: str) -> str:
    if not slug(text):
        raise ValueError("a name needs letters")
    return text


def _line(most: int) -> StringConstraints:
    return StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=most)


_Sentence = Annotated[str, _line(MAX_SENTENCE), AfterValidator(_printable)]


class Answer(BaseModel):
    """What a language model says of one domain; anything else in its answer is dropped."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, _line(MAX_CHARACTERS), AfterValidator(_printable), AfterValidator(_has_letters)]
    description: _Sentence
    belongs: _Sentence
    excludes: _Sentence


class UnusableAnswer(Exception):
    """An answer that is no `Answer`; the message tells the model what to mend.

    Attributes:
        cut: the answer with what is too long cut at a word, where nothing else is wrong with it.

    """

    def __init__(self, message: str = "", cut: Answer | None = None) -> None:
        super().__init__(message)
        self.cut = cut


def parse(text: str) -> Answer:
    """Return the last JSON object of a text that is an `Answer`.

    Keys may be in capitals, white space in strings may be raw, a comma may trail, and the whole may be escaped.

    Raises:
        UnusableAnswer: there is none.

    """
    fault: UnusableAnswer | None = None
    for variant in _variants(text):
        for value in _objects(variant):
            try:
                return _checked(value)
            except UnusableAnswer as error:
                if fault is None or (error.cut and not fault.cut):
                    fault = error
    if fault is None:
        what = "it is not valid JSON" if "{" in text else "it holds no JSON object" if text.strip() else "it is empty"
        fault = UnusableAnswer(what)
    raise fault


def _variants(text: str) -> Iterator[str]:
    """Yield the text, then what it may stand for."""
    plain = text.replace("\\n", "\n").replace('\\"', '"')
    seen = set()
    for variant in (text, _TRAILING_COMMA.sub(r"\1", text), plain, _TRAILING_COMMA.sub(r"\1", plain)):
        if variant not in seen:
            seen.add(variant)
            yield variant


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text, the last first, and what is inside an object before it."""
    end = len(text)
    for _ in range(_MOST_OBJECTS):
        end = text.rfind("{", 0, end)
        if end < 0:
            return
        try:
            value, _ = _DECODER.raw_decode(text, end)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _checked(value: dict[str, Any]) -> Answer:
    said = {key.strip().casefold(): " ".join(x.split()) if isinstance(x, str) else x for key, x in value.items()}
    try:
        return Answer.model_validate(said)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        only_long = all(e["type"] == "string_too_long" for e in error.errors())
        cut = {key: _cut(said[key], most) for key, most in _LIMITS.items()} if only_long else None
        try:
            raise UnusableAnswer("; ".join(faults), Answer.model_validate(cut) if cut else None) from None
        except ValidationError:  # nothing usable is left of it
            raise UnusableAnswer("; ".join(faults)) from None


def _cut(text: str, most: int) -> str:
    """Return the first words of a text, as many as have room; a word that has none is cut."""
    if len(text) <= most:
        return text
    return text[: most + 1].rpartition(" ")[0].rstrip(" ,;:-") or text[:most]
