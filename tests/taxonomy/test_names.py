import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.taxonomy.names import MAX_CHARACTERS, keyword_name, slug, tell_apart


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Recipes & Home Cooking", "recipes-home-cooking"),
        ("  Café  ÉTÉ\n", "café-été"),
        ("../../etc/passwd", "etc-passwd"),
        ("=HYPERLINK(1)", "hyperlink-1"),
        ("a\x00b\u202ec", "a-b-c"),
        ("हिन्दी समाचार", "हिन्दी-समाचार"),
        ("料理のレシピ", "料理のレシピ"),
        ("3D", "3d"),
        ("2024", ""),
        ("--- !!", ""),
        ("", ""),
        ("word " * 20, "-".join(["word"] * 6)),
        ("x" * 100, "x" * 32),
    ],
)
def test_names_are_plain_keys(text: str, name: str) -> None:
    assert slug(text) == name


@given(st.text(max_size=200))
def test_a_name_is_its_own_name(text: str) -> None:
    name = slug(text)
    assert slug(name) == name
    assert len(name) <= MAX_CHARACTERS
    assert not set(name) & set("/\\\"',;={}<>|\n\t ")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "a-b", "b-1", "domain-02"]),
            st.lists(st.sampled_from(["a", "b", "c d", "e"]), max_size=4),
        ),
        max_size=20,
    )
)
def test_no_two_stay_alike(wishes: list[tuple[str, list[str]]]) -> None:
    taken: set[str] = set()
    for k, (name, keywords) in enumerate(wishes):
        found = tell_apart(name, keywords, k, taken)
        assert found not in taken
        assert found == name or found.startswith(f"{name}-")
        taken.add(found)


def test_keywords_tell_apart_before_numbers_do() -> None:
    taken = {"music", "music-guitar"}
    assert tell_apart("music", ["music", "guitar", "jazz club"], 7, taken) == "music-jazz-club"
    assert tell_apart("music", ["guitar"], 7, taken) == "music-7"
    assert tell_apart("film", ["guitar"], 7, taken) == "film"
    assert keyword_name(["a", "b c"], "domain-03", set()) == "a-b-c"
    assert keyword_name(["a"], "domain-03", {"a"}) == "domain-03"
