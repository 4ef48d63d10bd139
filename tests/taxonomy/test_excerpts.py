from hypothesis import given
from hypothesis import strategies as st

from gemix.taxonomy.excerpts import CHARACTERS, excerpt

BANNER = "We use cookies to improve your visit. Accept all or choose. " * 8
RECIPE = "Whisk the butter with flour, then heat the oven and bake the bread. "


def test_a_short_text_is_shown_whole() -> None:
    assert excerpt("Bread.", ["oven"]) == "Bread."


def test_the_typical_passage_is_shown_from_its_sentence_on() -> None:
    shown = excerpt(BANNER + RECIPE + BANNER, ["oven", "flour", "butter"])
    assert shown.startswith("… Whisk the butter with flour")
    assert len(shown) == CHARACTERS


def test_the_place_with_most_different_keywords_wins() -> None:
    text = "An oven, an oven, an oven. " + BANNER + RECIPE + BANNER
    assert "Whisk the butter" in excerpt(text, ["oven", "flour", "butter"])
    assert excerpt(text, ["oven"]).startswith("An oven")


def test_forms_of_a_word_and_other_scripts_are_found() -> None:
    assert "Recipes" in excerpt(BANNER + "Recipes follow. " + BANNER, ["recipe"])
    assert "法院" in excerpt("今天天气很好。" * 100 + "法院审理了案件。" + "今天天气很好。" * 100, ["法院"])


def test_without_keywords_it_is_the_beginning() -> None:
    assert excerpt(BANNER, ["oven"]) == BANNER[:CHARACTERS]
    assert excerpt(BANNER, []) == BANNER[:CHARACTERS]


@given(st.text("abİß .日", min_size=280, max_size=900), st.lists(st.text("abİß日", min_size=1, max_size=6), max_size=4))
def test_any_text_gives_a_part_of_it(text: str, keywords: list[str]) -> None:
    shown = excerpt(text, keywords)
    assert len(shown) <= CHARACTERS
    assert shown.removeprefix("… ") in text
