import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SUBJECTS, make_documents

from gemix.taxonomy.keywords import class_keywords, domain_keywords, log_likelihood, node_keywords
from gemix.taxonomy.names import MAX_CHARACTERS, keyword_names, slug
from gemix.taxonomy.terms import count_terms
from gemix.taxonomy.tree import Merges, cut


def keywords_of(texts: list[str], labels: list[int], count: int = 10) -> list[list[str]]:
    return class_keywords(texts, np.array(labels), np.zeros(len(texts)), max(labels) + 1, count)


def test_domains_are_described_by_their_own_words() -> None:
    documents = make_documents(400)
    names = list(SUBJECTS)
    found = keywords_of([d["text"] for d in documents], [names.index(d["subject"]) for d in documents])
    for words, name in zip(found, names, strict=True):
        assert len(words) == 10
        assert {part for word in words for part in word.split()} <= set(SUBJECTS[name].split())


def test_what_is_everywhere_names_nothing() -> None:
    footer = "subscribe newsletter copyright reserved"
    texts = [f"apple orchard {footer}"] * 30 + [f"engine piston {footer}"] * 30
    for words in keywords_of(texts, [0] * 30 + [1] * 30):
        assert words
        assert not set(" ".join(words).split()) & set(footer.split())


def test_one_document_that_repeats_itself_does_not_name_a_domain() -> None:
    texts = ["spam " * 500 + "bread"] + ["bread flour"] * 20 + ["engine"] * 20
    assert keywords_of(texts, [0] * 21 + [1] * 20)[0][0] in ("bread", "bread flour")


def test_a_phrase_stands_for_its_words() -> None:
    texts = ["real estate agent"] * 20 + ["real estate broker"] * 20 + ["guitar chord"] * 40
    words = keywords_of(texts, [0] * 40 + [1] * 40)[0]
    assert "real estate" in words
    assert not {"real", "estate", "estate agent", "estate broker"} & set(words)


def test_a_rare_phrase_gives_way_to_its_word() -> None:
    texts = [f"guitar {w}" for w in ["chord", "string", "solo", "riff"] for _ in range(10)] + ["engine"] * 40
    words = keywords_of(texts, [0] * 40 + [1] * 40)[0]
    assert words[0] == "guitar"
    assert not any(word.startswith("guitar ") for word in words)


def test_plural_is_no_second_keyword() -> None:
    texts = ["recipe"] * 20 + ["recipes"] * 19 + ["recipe recipes"] * 30 + ["engine piston"] * 20
    assert keywords_of(texts, [0] * 69 + [1] * 20)[0] == ["recipe"]


@pytest.mark.parametrize("word", ["हिन्दी", "ภาษาไทย", "русский", "ελληνικά", "naïve", "العَرَبِيَّة"])
def test_words_of_any_script_stay_whole(word: str) -> None:
    texts = [f"{word} 123 _x_"] * 5 + ["other words"] * 5
    assert word in " ".join(keywords_of(texts, [0] * 5 + [1] * 5)[0]).split()


@pytest.mark.parametrize("text", ["", "the and of", "12 34 !!", "x y z"])
def test_without_words_there_are_no_keywords(text: str) -> None:
    assert keywords_of([text] * 4, [0, 0, 1, 1]) == [[], []]


def test_empty_domains_and_tiny_corpora() -> None:
    assert keywords_of(["bread flour"], [2]) == [[], [], ["bread flour"]]


def test_order_of_documents_does_not_matter() -> None:
    documents = make_documents(200)
    labels = [list(SUBJECTS).index(d["subject"]) for d in documents]
    texts = [d["text"] for d in documents]
    assert keywords_of(texts, labels) == keywords_of(texts[::-1], labels[::-1])


def test_names_join_keywords_and_fall_back_to_numbers() -> None:
    assert keyword_names([["real estate", "home", "agent", "loan"], []]) == ["real-estate-home-agent", "domain-01"]
    assert keyword_names([[]] * 101)[3] == "domain-003"


def test_equal_names_grow_until_they_differ() -> None:
    same = ["a", "b", "c"]
    assert keyword_names([[*same, "d"], [*same, "e"], same]) == ["a-b-c", "a-b-c-e", "domain-02"]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "a b", "domain"]), max_size=5, unique=True), min_size=1, max_size=12
    )
)
def test_names_are_unique_and_not_empty(keywords: list[list[str]]) -> None:
    names = keyword_names(keywords)
    assert len(set(names)) == len(keywords)
    assert all(names)


def test_a_node_is_described_as_if_its_documents_were_one_domain() -> None:
    documents = make_documents(300)
    texts = [d["text"] for d in documents]
    labels = np.array([list(SUBJECTS).index(d["subject"]) for d in documents])
    merges = Merges(np.array([[1, 3], [0, 4], [2, 5]]), np.arange(3.0))
    counts = count_terms(texts, labels, np.zeros(300), 4)
    assert domain_keywords(counts) == class_keywords(texts, labels, np.zeros(300), 4)
    found = node_keywords(counts, merges.children)
    for node, m in ((4, 3), (5, 2)):
        at = cut(merges, m)
        pooled = np.searchsorted(at.nodes, at.of_leaf[labels])
        # Their order may differ: how widely a word is spread is a matter of the domains.
        assert set(found[node - 4]) == set(class_keywords(texts, pooled, np.zeros(300), m)[at.nodes.index(node)])
    assert found[0]
    assert found[2] == []  # nothing sets the root apart


def test_addresses_and_numbers_name_nothing() -> None:
    texts = [
        f"bread flour https://bakery.example/oven{i} baker{i}@bakery.example www.yeast.org 1984" for i in range(20)
    ]
    words = " ".join(keywords_of(texts + ["engine piston"] * 3, [0] * 20 + [1] * 3)[0]).split()
    assert set(words) == {"bread", "flour"}


def test_a_passage_of_many_documents_counts_once() -> None:
    banner = "we value your privacy and share cookies with partners worldwide"
    own = ["bread flour", "flour bread oven", "bread oven flour", "oven bread", "flour oven bread", "oven flour"]
    texts = [f"{words}. {banner}" for words in own] + ["engine piston", "engine valve", "piston valve", "valve engine"]
    words = keywords_of(texts, [0] * 6 + [1] * 4)[0]
    assert set(" ".join(words[:2]).split()) <= {"bread", "flour", "oven"}
    assert not {"cookies", "privacy"} & set(words[:2])


def test_copies_count_once_and_still_name_their_domain() -> None:
    texts = ["enable cookies please"] * 400 + [f"engine piston valve {i}" for i in range(30)]
    texts += ["crankshaft torque"] * 200 + ["camshaft engine", "piston engine oil"]
    found = keywords_of(texts, [0] * 400 + [1] * 232)
    assert "cookies" in " ".join(found[0]).split()
    assert found[1][0] not in ("crankshaft torque", "crankshaft", "torque")


def test_function_words_of_every_language_are_left_out() -> None:
    german = ["der Hund und die Katze sind nicht in dem Haus", "die Katze ist auf dem Dach und der Hund ist hier"]
    english = ["the engine is not in the car", "a piston and the engine are in this car"]
    found = keywords_of(german * 3 + english * 3, [0] * 6 + [1] * 6)
    assert {"hund", "katze"} <= set(" ".join(found[0]).split())
    assert not {"und", "der", "die", "nicht", "ist", "dem"} & set(" ".join(found[0]).split())


def test_a_word_is_a_function_word_only_where_its_language_is_spoken() -> None:
    texts = [f"the war of {name} was a war of the generals" for name in ("Troy", "Rome", "Sparta", "Thebes")]
    assert "war" in keywords_of(texts + ["the piston of the engine"] * 4, [0] * 4 + [1] * 4)[0]  # German for "was"


def test_scripts_without_spaces_are_named_in_their_script() -> None:
    cities = ["北京", "上海", "广州", "成都", "武汉", "西安"]
    law = [f"{a}法院今天审理了一起合同纠纷案件{b}法院也是" for a in cities for b in cities]
    food = [f"我在{a}喜欢吃面条和饺子{b}的面条好吃" for a in cities for b in cities]
    found = keywords_of(law + food, [0] * 36 + [1] * 36)
    assert any("法院" in word for word in found[0])
    assert any("面条" in word for word in found[1])
    assert all(slug(word) == word for word in found[0])


@pytest.mark.parametrize("words", [["write", "writes", "writing"], ["market", "markets", "marketing"]])
def test_forms_of_one_word_are_one_keyword(words: list[str]) -> None:
    texts = [f"{a} {b} ink" for a in words for b in words if a != b]
    assert len(set(keywords_of(texts + ["engine"] * 5, [0] * 6 + [1] * 5)[0]) & set(words)) <= 1


@given(st.lists(st.lists(st.text("ab日 ", min_size=1, max_size=40), max_size=5), min_size=1, max_size=12))
def test_names_are_short(keywords: list[list[str]]) -> None:
    names = keyword_names(keywords)
    assert len(set(names)) == len(keywords)
    assert all(0 < len(name) <= MAX_CHARACTERS for name in names)


def test_the_ratio_is_dunnings() -> None:
    def bits(k: float, n: float, p: float) -> float:
        return k * np.log(p) + (n - k) * np.log(1 - p)

    a, b, size, others = 30.0, 12.0, 100, 900
    pooled = (a + b) / (size + others)
    alike = bits(a, size, pooled) + bits(b, others, pooled)
    wanted = 2 * (bits(a, size, a / size) + bits(b, others, b / others) - alike)
    assert log_likelihood(np.array([a]), np.array([b]), size, others)[0] == pytest.approx(wanted)
