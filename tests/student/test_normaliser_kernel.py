import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.student.normaliser import Normaliser
from gemix.student.normaliser_kernel import normalise_buffers


def lines(normaliser: Normaliser, texts: list[str]) -> list[str]:
    found = normalise_buffers(normaliser, text_buffers(texts))
    data = bytes(found.data)
    return [data[a:b].decode() for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


# Letters whose lower case is longer in UTF-8, depends on what follows, or is two characters; digits that are no ASCII;
# white space and marks of every width.
ALPHABET = "aZ9_-. \n\x1c\x85\u00a0\u3000\u0301éÉßẞȺĸİıΣσΑѢ٣²Ⅷ日ｱ🙂𐐀𝟘\U00020000\x00"


@settings(deadline=None)
@given(
    texts=st.lists(st.text(ALPHABET, max_size=60) | st.text(max_size=30) | st.text("ab  ", max_size=60), max_size=5),
    window=st.integers(1, 30),
)
def test_lines_are_those_of_the_normaliser(texts, window):
    normaliser = Normaliser(Window(window))
    assert lines(normaliser, texts) == [normaliser(text) for text in texts]


def test_every_character():
    normaliser = Normaliser(Window(10))
    texts = [f"A{chr(i)}b" for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    assert lines(normaliser, texts) == [normaliser(text) for text in texts]


def test_texts_of_a_slice_and_behind_white_space_that_fills_the_window():
    normaliser = Normaliser(Window(5))
    texts = ["x" * 9, " " * 21 + "far", "  ab  cd  ef", "", "Σ", "abcd efg", "abcde fg"]
    column = pa.array(["before", *texts, "after"])[1:-1]
    found = normalise_buffers(normaliser, text_buffers(column))
    assert bytes(found.data[: found.offsets[-1]]).decode() == "xxxxx" + "" + "ab cd" + "" + "σ" + "abcd" + "abcde"
    assert lines(normaliser, texts) == [normaliser(text) for text in texts]
