import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student.normaliser import RULES, Normaliser

NORMALISER = Normaliser(Window(50))


def test_words_in_lower_case():
    assert NORMALISER("  The CAT,\n\tsat -- on 3 mats_and 数学!\r\n") == "the cat sat on 3 mats and 数学"


def test_markup_of_fasttext_does_not_survive():
    assert NORMALISER("__label__3 </s> \u2028 a\x00b") == "label 3 s a b"


def test_it_reads_no_more_than_the_window():
    assert NORMALISER("word " * 9 + "cutshere") == "word " * 9 + "cutsh"


@given(st.text(max_size=200))
def test_any_text_becomes_one_line_of_words_and_stays_so(text):
    line = NORMALISER(text)
    assert line == " ".join(line.split())
    assert not {"\n", "\r", "_", "\x00"} & set(line)
    line.encode()
    # Lower case may grow a character ("İ"), so that a second reading can cut the line but never change its words.
    assert line.startswith(NORMALISER(line))


def test_it_is_saved_and_loaded():
    assert Normaliser.from_config(NORMALISER.to_config()) == NORMALISER


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "not described"),
        (None, "not described"),
        ({"rules": "others", "window": 10}, "others"),
        ({"rules": RULES, "window": 0}, "window"),
        ({"rules": RULES, "window": "10"}, "window"),
    ],
)
def test_other_rules_are_refused(config, words):
    with pytest.raises(GemixError, match=words):
        Normaliser.from_config(config)
