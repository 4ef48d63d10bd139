from hypothesis import given
from hypothesis import strategies as st

from gemix.corpus.window import Window


def test_white_space_is_collapsed_before_the_cut():
    assert Window(7)(" one \n\n two\tthree") == "one two"


def test_only_four_times_as_many_raw_characters_are_looked_at():
    assert Window(5)(" " * 20 + "late") == ""
    assert Window(5)(" " * 16 + "late") == "late"


@given(st.text(), st.integers(1, 30))
def test_a_window_is_short_clean_and_its_own_window(text, characters):
    window = Window(characters)
    read = window(text)
    assert len(read) <= characters
    assert " ".join(read.split()) == read.strip()
    assert window(read) == read.strip()
