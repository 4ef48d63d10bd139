import random
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemix.runtime.errors import GemixError
from gemix.taxonomy import Domain, Node, Taxonomy, Tree
from gemix.taxonomy.carry import align, carry, carry_file
from gemix.taxonomy.edits import Edit, Edits, apply, check, find_domain, read_edits, undo, write_edit
from gemix.taxonomy.edits_merge import check_merges, cut_merges, heads
from gemix.taxonomy.writer import to_markdown, write_taxonomy

NAMES = ["oven-recipe", "harbour-mast", "bond-yield", "soil-mulch"]
BY_HAND = """\
# ours; ask Ada before you change it
schema: 1

domains:
  # the courts, both of them
  2:
    name: Court rulings   # not "cases"
    description: >
      Judgments
      and orders
  0: {exclude: true}   # banners
  # later: 3

# the end
"""


def domain(k: int, name: str) -> Domain:
    return Domain(
        id=k, name=name, keywords=name.split("-"), documents=5, tokens=50, share=0.25, kappa=9.0, cohesion=0.5,
        representatives=[],
    )  # fmt: skip


@pytest.fixture
def taxonomy() -> Taxonomy:
    node = {"keywords": [], "documents": 9, "tokens": 9, "height": 0.1}
    nodes = [
        Node(id=4, name="at-sea", children=(0, 1), **node),
        Node(id=5, name="on-land", children=(2, 3), **node),
        Node(id=6, name="all", children=(4, 5), **node),
    ]
    domains = [domain(k, name) for k, name in enumerate(NAMES)]
    return Taxonomy(mode="gis", documents=20, tokens=200, domains=domains, tree=Tree(nodes=nodes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "taxonomy-edits.yaml"


def test_no_file_no_edits(path: Path, taxonomy: Taxonomy) -> None:
    edits = read_edits(path)
    assert edits == Edits(path)
    check(edits, taxonomy)
    assert apply(taxonomy, edits) == taxonomy
    assert not path.exists()


def test_what_is_said_is_what_is_shown(path: Path, taxonomy: Taxonomy) -> None:
    path.write_text(BY_HAND)
    edits = read_edits(path)
    assert edits.domains == {
        2: Edit(name="Court rulings", description="Judgments and orders"),
        0: Edit(exclude=True),
    }
    assert [edit.line for edit in edits.domains.values()] == [6, 11]
    check(edits, taxonomy)
    now = apply(taxonomy, edits)
    assert now.names == ["oven-recipe", "harbour-mast", "Court rulings", "soil-mulch"]
    assert [d.named_by for d in now.domains] == ["keywords", "keywords", "person", "keywords"]
    assert [d.excluded for d in now.domains] == [True, False, False, False]
    assert now.domains[2].description == "Judgments and orders"
    assert Taxonomy.model_validate(now.model_dump()) == now
    page = to_markdown(now)
    assert "## 0. oven-recipe (excluded)" in page
    assert "| 2 | Court rulings |" in page
    assert page.count("(excluded)") == 2  # in the table and above its section


def test_taxonomy_json_says_nothing_of_edits(taxonomy: Taxonomy, tmp_path: Path) -> None:
    write_taxonomy(taxonomy, tmp_path, [None] * 7)
    assert "excluded" not in (tmp_path / "taxonomy.json").read_text()


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("domains:\n  1:\n    nmae: Sea", 3, "no key 'nmae' is known; did you mean name"),
        ("domians:\n  1: {name: Sea}", 1, "no key 'domians' is known; did you mean domains"),
        ("domains:\n  1:\n    merge: sea", 3, "merge is the id of a domain such as 3, not 'sea'"),
        ("domains:\n  1:\n    merge: true", 3, "merge is the id of a domain such as 3, not 'true'"),
        ("domains:\n  1:\n    merge: -2", 3, "merge is the id of a domain such as 3, not '-2'"),
        ("domains:\n  1:\n    merge: [2, 3]", 3, "the merge is not a text"),
        ("cut: 8", 1, "no key 'cut' is known"),
        ("domains:\n  sea: {name: Sea}", 2, "whole number such as 7, not 'sea'"),
        ("domains:\n  -1: {name: Sea}", 2, "whole number such as 7, not '-1'"),
        ("domains:\n  1.0: {name: Sea}", 2, "whole number such as 7"),
        (f"domains:\n  {'9' * 500}: {{name: Sea}}", 2, "whole number such as 7"),
        ("domains:\n  ? [1, 2]\n  : {name: Sea}", 2, "a key must be a word or a number"),
        ("domains:\n  1:\n    name: ''", 3, "the name is empty"),
        ("domains:\n  1:\n    name:", 3, "the name is empty"),
        ("domains:\n  1:\n    name: ' - '", 3, "neither a letter nor a symbol"),
        (f"domains:\n  1:\n    name: {'s' * 65}", 3, "the name has 65 characters, at most 64"),
        (f"domains:\n  1:\n    name: {'sea ' * 2500}", 3, "the name has 9,999 characters"),
        (f"domains:\n  1:\n    description: {'s' * 10_000}", 3, "the description has 10,000 characters"),
        ("domains:\n  1:\n    name: Sea <b>", 3, "holds markup"),
        ('domains:\n  1:\n    name: "Sea\\nLand"', 3, "more than one line"),
        ('domains:\n  1:\n    name: "Sea\\u2028Land"', 3, "more than one line"),
        ('domains:\n  1:\n    name: "Sea\\u202Edna"', 3, r"U\+202E \(right-to-left override\)"),
        ("domains:\n  1:\n    name: Sea\u200f", 3, r"U\+200F \(right-to-left mark\)"),
        ('domains:\n  1:\n    description: "Sea\\u2067"', 3, r"U\+2067"),
        ('domains:\n  1:\n    name: "Sea\\x07"', 3, r"U\+0007 \(a control character\)"),
        ('domains:\n  1:\n    name: "Sea\\u200b"', 3, r"U\+200B"),
        ("domains:\n  1:\n    name: domain-03", 3, "reads as the id of a domain"),
        ("domains:\n  1:\n    name: 3", 3, "reads as the id of a domain"),
        ("domains:\n  1:\n    name: [Sea]", 3, "is not a text"),
        ("domains:\n  1:\n    name: !!python/object/apply:os.system [ls]", 3, "is not a text"),
        ("domains:\n  1:\n    name: !!python/name:os.system", 3, "the name is empty|is not a text"),
        ("domains:\n  1:\n    exclude: maybe", 3, "exclude is true or false"),
        ("domains:\n  1:\n    exclude: 'true'", 3, "without quotes"),
        ("domains:\n  1:\n    exclude: {}", 3, "exclude is not a text"),
        ("domains:\n  1: Sea", 2, "domain-01 must hold `key: value` lines"),
        ("domains: [1]", 1, "domains must hold `key: value` lines"),
        ("- 1", 1, "the file must hold `key: value` lines"),
        ("domains:\n  1:\n    name: Sea\n    name: Land", 4, "'name' stands in line 3 already"),
        ("domains:\n  1: {name: Sea}\n  1: {name: Land}", 3, "'1' stands in line 2 already"),
        ("domains:\n  1: {name: Sea}\n  01: {name: Land}", 3, "domain 1 stands in line 2 already"),
        ("domains:\n  1: {name: Sea}\ndomains:", 3, "'domains' stands in line 1 already"),
        ("domains:\n  1: &a {name: Sea}\n  2:\n    <<: *a", 4, "no key '<<' is known"),
        ("schema: 1\ndomains:\n\t1: x", 3, "not YAML"),
        ("domains:\n  1: {name: Sea", 2, "not YAML"),
        ("schema: 1\n---\nschema: 1", 2, "not YAML"),
        ("domains:\n  1: *b", 2, "not YAML"),
        ("schema: 1\ndomains:\n  1: {name: Sea\x00}", 3, r"not YAML: the character U\+0000"),
        ("schema: 2", 1, "written by a newer gemix, this one reads 1: update"),
        ("schema: one", 1, "schema is a whole number from 1"),
        ("teacher: {}", 1, "teacher is not a text"),
        ("set_aside:\n  Sea:\n    domain: x", 3, "domain is a whole number"),
    ],
)
def test_faults_have_their_line(path: Path, text: str, line: int, fault: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GemixError) as caught:
        read_edits(path)
    message = str(caught.value)
    # The end of an unclosed bracket is found at the end of the file: in this line or behind it.
    assert re.match(rf"{re.escape(str(path))}, line {line}: ", message), message
    assert re.search(fault, message), message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250


def test_files_that_are_no_edits(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"schema: 1\ndomains:\n  1: {name: S\xe9a}\n")
    with pytest.raises(GemixError, match="line 3: not UTF-8, byte 0xe9"):
        read_edits(path)
    path.write_text("domains: " + "[" * 20_000)
    with pytest.raises(GemixError, match=r"nested too deeply|not YAML"):
        read_edits(path)
    path.write_text("#" * 5_000_000)
    with pytest.raises(GemixError, match="larger than 4 MB"):
        read_edits(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(GemixError, match=r"cannot read .*folder"):
        read_edits(tmp_path / "folder")


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("domains:\n  4: {exclude: true}", 2, "there is no domain 4; the domains are 0 to 3"),
        ("domains:\n  1: {name: Sea}\n  2: {name: sEA}", 3, "domain-02 cannot be called 'sEA': domain-01 has .* 'Sea'"),
        ("domains:\n  1: {name: Ｓea}\n  2: {name: Sea}", 3, "domain-02 cannot be called"),
        ("domains:\n  1:\n    name: OVEN-recipe", 2, "domain-00 has the name 'oven-recipe'"),
        ("domains:\n  1:\n    name: At-sea", 2, "the group 4 of the tree has the name 'at-sea'"),
    ],
)
def test_faults_against_the_domains(path: Path, taxonomy: Taxonomy, text: str, line: int, fault: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GemixError, match=f"line {line}: .*{fault}"):
        check(read_edits(path), taxonomy)


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("domains:\n  0: {merge: 1}\n  1: {merge: 4}", 3, "domain-01 is merged into 4, which is not there"),
        ("domains:\n  1: {merge: 1}", 2, "domain-01 is merged in a circle: domain-01 into domain-01"),
        ("domains:\n  0: {merge: 1}\n  1: {merge: 0}", 2, "domain-00 into domain-01 into domain-00"),
        ("domains:\n  3: {merge: 0}\n  0: {merge: 1}\n  1: {merge: 2}\n  2: {merge: 0}", 3, "merged in a circle"),
        ("domains:\n  2:\n    merge: 3\n    exclude: true", 2, "excluded and part of domain-03"),
    ],
)
def test_merges_that_cannot_be(path: Path, taxonomy: Taxonomy, text: str, line: int, fault: str) -> None:
    path.write_text(text)
    with pytest.raises(GemixError, match=f"line {line}: .*{fault}"):
        check(read_edits(path), taxonomy)


def test_merges_are_followed_to_their_end(path: Path, taxonomy: Taxonomy) -> None:
    path.write_text("domains:\n  3: {merge: domain-02}\n  2: {merge: 0, name: Both}\n")
    edits = read_edits(path)
    check(edits, taxonomy)
    assert heads(edits.domains, 4).tolist() == [0, 1, 0, 0]
    now = apply(taxonomy, edits)
    assert [d.merged_into for d in now.domains] == [None, None, 0, 0]
    assert now.names[2] == "Both"
    assert "soil-mulch (part of domain-00)" in to_markdown(now)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_a_cut_merges_what_is_under_a_node_into_its_largest(taxonomy: Taxonomy, nodes: int) -> None:
    largest = [taxonomy.domains[0], taxonomy.domains[1].model_copy(update={"documents": 9}), *taxonomy.domains[2:]]
    sized = taxonomy.model_copy(update={"domains": largest})
    found = cut_merges(sized, nodes)
    assert len(found) == 4 - nodes
    assert found == {1: {0: 1, 2: 1, 3: 1}, 2: {0: 1, 3: 2}, 3: {0: 1}, 4: {}}[nodes]
    with pytest.raises(GemixError, match="1 to 4 nodes, not 5"):
        cut_merges(sized, 5)


@given(
    st.dictionaries(st.integers(0, 5), st.integers(0, 5), max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60),
)
def test_merges_that_are_carried_fit_their_new_partition(merges: dict[int, int], pairs: list[tuple[int, int]]) -> None:
    path = Path("taxonomy-edits.yaml")
    edits = Edits(path, "old", {id: Edit(name=f"N{id}", merge=into, line=id + 2) for id, into in merges.items()})
    with suppress(GemixError):
        check_merges(edits, 6)
        old, new = np.array(pairs).T
        wanted, _ = carry(edits, old, new, "new")
        check_merges(wanted, 6)


def test_a_merge_goes_with_both_domains(path: Path) -> None:
    path.write_text("# mine\ndomains:\n  0: {merge: 1}\n  2:\n    merge: 0 # why not\n    name: Two\n")
    keys = {"shard": ["a"] * 40, "row": range(40)}
    old = pa.table(keys | {"domain": [0] * 10 + [1] * 10 + [2] * 20})
    new = pa.table(keys | {"domain": [5] * 10 + [3] * 10 + [1] * 20})
    carry_file(path, old, new, old_teacher="a", teacher="b")
    assert read_edits(path).domains == {5: Edit(merge=3), 1: Edit(name="Two", merge=5)}
    assert path.read_text().startswith("# mine\n")
    # Both in one domain now: nothing is left to merge.
    carry_file(path, new, old.set_column(2, "domain", pa.array([7] * 40)), old_teacher="b", teacher="c")
    assert all(edit.merge is None for edit in read_edits(path).domains.values())


def test_two_domains_may_change_names(path: Path, taxonomy: Taxonomy) -> None:
    path.write_text("domains:\n  0: {name: soil-mulch}\n  3: {name: oven-recipe}\n")
    edits = read_edits(path)
    check(edits, taxonomy)
    assert apply(taxonomy, edits).names == ["soil-mulch", "harbour-mast", "bond-yield", "oven-recipe"]


def test_words_that_yaml_takes_for_more(path: Path) -> None:
    path.write_text("domains:\n  08:\n    name: No\n  domain-10:\n    name: 2001-01-01\n  011: # nothing\n")
    assert read_edits(path).domains == {8: Edit(name="No"), 10: Edit(name="2001-01-01"), 11: Edit()}
    path.write_bytes(b"\xef\xbb\xbf# all of it a comment\r\n")
    assert read_edits(path) == Edits(path)


def test_a_command_changes_its_own_lines(path: Path) -> None:
    path.write_text(BY_HAND)
    write_edit(path, 2, name="Judgments: of courts", teacher="ab12")
    write_edit(path, 0, description="Banners")
    write_edit(path, 3, exclude=True)
    assert path.read_text() == BY_HAND.replace("schema: 1\n", "schema: 1\nteacher: ab12\n").replace(
        "name: Court rulings ", "name: 'Judgments: of courts' "
    ).replace("0: {exclude: true} ", "0: {description: Banners, exclude: true} ").replace(
        "# banners\n", "# banners\n  3:\n    exclude: true\n"
    )
    assert set(undo(path, 2)) == {2}
    assert "# the courts" in path.read_text()
    assert "Judgments" not in path.read_text()
    assert list(read_edits(path).domains) == [0, 3]
    assert undo(path, 2) == {}
    assert set(undo(path)) == {0, 3}
    assert read_edits(path) == Edits(path, "ab12")
    assert [line for line in path.read_text().splitlines() if line.startswith("#")] == [
        "# ours; ask Ada before you change it", "# the end"
    ]  # fmt: skip


def test_a_block_text_is_replaced_whole(path: Path) -> None:
    path.write_text(BY_HAND)
    write_edit(path, 2, description="Both")
    assert path.read_text() == BY_HAND.replace(">\n      Judgments\n      and orders\n", "Both\n")


@pytest.mark.parametrize(
    "text",
    [
        "", "# note\n", "schema: 1\n# note", "domains:\n# note\n", "domains: {} # note", "domains:\n  1: # note\n",
        "{schema: 1, domains: {1: {description: x}}} # note\n", "domains: ~\n# note\n", "---\ndomains:\n# note\n...\n",
        "# note\r\ndomains:\r\n  1:\r\n    description: x\r\n", "domains:\n    1:\n      name: |-\n        x\n# note",
        "domains:\n  2: &a\n    description: y # note\n  1: *a\n",
    ],
)  # fmt: skip
def test_any_layout_can_be_changed(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    before = read_edits(path)
    write_edit(path, 1, name="Sea")
    after = read_edits(path)
    assert after.domains[1] == Edit("Sea", before.domains.get(1, Edit()).description)
    assert {k: e for k, e in after.domains.items() if k != 1} == {k: e for k, e in before.domains.items() if k != 1}
    assert path.read_text().count("# note") == text.count("# note")
    assert ("\r\n" in text) == (b"\r\n" in path.read_bytes())
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"") or "\r\n" not in text


def test_nothing_is_written_in_error(path: Path) -> None:
    for change, fault in (({"name": ""}, "empty"), ({"nmae": "x"}, "did you mean name"), ({"exclude": "x"}, "true or")):
        with pytest.raises(GemixError, match=fault):
            write_edit(path, 1, **change)
    assert not path.exists()
    path.write_text("teacher: other\ndomains:\n  1: {name: Sea}\n")
    with pytest.raises(GemixError, match="belong to another fit of the teacher"):
        write_edit(path, 1, name="x", teacher="mine")
    path.write_text("domains:\n  1: {nmae: Sea}\n")
    with pytest.raises(GemixError, match="line 2"):
        undo(path)
    assert path.read_text() == "domains:\n  1: {nmae: Sea}\n"


def _allowed(text: str) -> bool:
    try:
        Edits(Path("x")).with_change(0, name=text)
    except GemixError:
        return False
    return True


# Each writes up to twelve files to the disk; most texts are no names.
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["name", "description", "exclude", "undo"]),
            st.text(max_size=20).filter(_allowed),
        ),
        max_size=12,
    )
)
def test_any_changes_leave_what_was_said_last(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    path = tmp_path_factory.mktemp("edits") / "taxonomy-edits.yaml"
    said: dict[int, dict[str, object]] = {}
    for id, key, text in steps:
        if key == "undo":
            said.pop(id, None)
            undo(path, id)
        else:
            value = True if key == "exclude" else text
            said.setdefault(id, {})[key] = " ".join(text.split()) if key == "description" else value
            said[id][key] = said[id][key].strip() if key == "name" else said[id][key]
            write_edit(path, id, **{key: value})
    found = read_edits(path)
    assert {id: edit.said() for id, edit in found.domains.items()} == said
    assert list(found.domains) == list(said)  # in the order in which they came
    if path.exists():
        assert path.read_text().startswith("# taxonomy-edits.yaml: what people say")
        assert (yaml.safe_load(path.read_text())["domains"] or {}) == said


def test_domains_are_found(taxonomy: Taxonomy) -> None:
    for wanted in ("1", "01", "domain-01", "Domain-1", "harbour-mast", "HARBOUR-mast "):
        assert find_domain(taxonomy, wanted) == 1
    with pytest.raises(GemixError, match="did you mean 'harbour-mast'"):
        find_domain(taxonomy, "harbor-mast")
    with pytest.raises(GemixError, match="no domain '4': give an id from 0 to 3"):
        find_domain(taxonomy, "4")
    odd = taxonomy.model_copy(update={"domains": [domain(0, "1"), domain(1, "a"), domain(2, "A")], "tree": None})
    with pytest.raises(GemixError, match=r"may be domain-00 \(1\) and domain-01 \(a\): give the id of one"):
        find_domain(odd, "1")
    assert [find_domain(odd, name) for name in ("a", "A", "domain-01")] == [1, 2, 1]


LABELS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


@given(pairs=LABELS, edited=st.sets(st.integers(0, 8)))
def test_carried_or_set_aside_never_lost(pairs: list[tuple[int, int]], edited: set[int]) -> None:
    old, new = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    edits = Edits(Path("x"), "old", {id: Edit(name=f"name of {id}", exclude=True) for id in edited})
    found, notes = carry(edits, old, new, "new")
    assert found.teacher == "new"
    assert len(notes) == len(edited) == len(found.domains) + len(found.set_aside)
    assert {e.name for e in (*found.domains.values(), *found.set_aside.values())} == {
        e.name for e in edits.domains.values()
    }
    homes = {int(e.name.split()[-1]): k for k, e in found.domains.items()}
    for id in edited:
        inside = new[old == id]
        if id in homes:
            assert 2 * (inside == homes[id]).sum() >= len(inside) > 0
        else:  # no domain holds half of it, or each that does has the edit of one with at least as many documents there
            for k in set(inside.tolist()):
                common = (inside == k).sum()
                if 2 * common >= len(inside):
                    owner = next(other for other, home in homes.items() if home == k)
                    assert (new[old == owner] == k).sum() >= common
            assert found.set_aside[f"name of {id}"].domain == id


@given(ids=st.permutations(range(6)), seed=st.integers(0, 99))
def test_the_same_partition_under_other_ids(ids: list[int], seed: int) -> None:
    old = np.random.default_rng(seed).integers(0, 6, 100)
    edits = Edits(Path("x"), "old", {id: Edit(name=f"n{id} x") for id in range(6)})
    found, _ = carry(edits, old, np.array(ids)[old], "new")
    present = set(old.tolist())
    assert found.domains == {ids[id]: edits.domains[id] for id in present}
    back, _ = carry(found, np.array(ids)[old], old, "old")
    assert back.domains == {id: edits.domains[id] for id in present}


def tables(old: list[int], new: list[int], seed: int = 0) -> tuple[pa.Table, pa.Table]:
    rows = [{"shard": f"s{i % 3}", "row": i, "domain": k} for i, k in enumerate(old)]
    others = [{"shard": f"s{i % 3}", "row": i, "domain": k} for i, k in enumerate(new)]
    random.Random(seed).shuffle(others)
    return pa.Table.from_pylist(rows), pa.Table.from_pylist(others)


def test_documents_are_matched_by_shard_and_row() -> None:
    old, new = tables([0, 0, 1, 1, 2], [3, 3, 2, 2, 2, 1])
    a, b = align(old, new)
    assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 3), (0, 3), (1, 2), (1, 2), (2, 2)]
    with pytest.raises(GemixError, match="the new partition has no column row"):
        align(old, new.drop_columns(["row"]))
    with pytest.raises(GemixError, match="the old partition holds a document twice"):
        align(pa.concat_tables([old, old]), new)


def test_a_file_goes_with_its_documents(path: Path) -> None:
    text = """\
schema: 1
domains:
  0:
    name: Recipes  # of all kinds
  # too broad
  1:
    name: Sea
  2:
    exclude: true
# the end
"""
    path.write_text(text)
    old, new = tables([0] * 4 + [1] * 4 + [2] * 6, [2] * 3 + [0] + [2] * 2 + [1, 0] + [0] * 2 + [1] * 2 + [3] * 2)
    notes = carry_file(path, old, new, old_teacher="t0", teacher="t1", names=NAMES)
    assert notes == [
        "the edit of domain-00 (Recipes) is that of domain-02 now, which holds 3 of its 4 documents",
        "the edit of domain-01 is set aside as 'Sea': domain-02 holds 2 of its 4 documents, but took the edit of "
        "domain-00",
        "the edit of domain-02 is set aside as 'bond-yield': no domain holds half of its 6 documents, "
        "domain-00 the most with 2",
    ]
    assert (
        path.read_text()
        == """\
schema: 1
teacher: t1
domains:
  2:
    name: Recipes  # of all kinds
  # too broad
set_aside:
  Sea:
    name: Sea
    domain: 1
  bond-yield:
    exclude: true
    domain: 2
# the end
"""
    )
    assert carry_file(path, old, new, old_teacher="t0", teacher="t1") == []  # interrupted, done again
    assert carry_file(path, new, old, old_teacher="t1", teacher="t0")
    assert read_edits(path).domains == {0: Edit("Recipes")}
    with pytest.raises(GemixError, match=r"belong to a fit .t0. whose domains are not there"):
        carry_file(path, old, new, old_teacher="t2", teacher="t3")
    write_edit(path, 1, name="Sea")
    carry_file(path, *tables([1], [1, 2]), old_teacher="t0", teacher="t1")
    assert list(read_edits(path).set_aside) == ["Sea", "bond-yield", "Recipes"]


def test_names_set_aside_twice_are_both_kept(path: Path) -> None:
    edits = Edits(path, "a", {0: Edit("Sea")}, {"Sea": Edit("Sea", domain=3)})
    found, _ = carry(edits, np.array([1]), np.array([1]), "b")
    assert found.set_aside == {"Sea": Edit("Sea", domain=3), "Sea (2)": Edit("Sea", domain=0)}
    with pytest.raises(ValueError, match="not of the same documents"):
        carry(edits, np.array([1]), np.array([1, 2]), "b")
