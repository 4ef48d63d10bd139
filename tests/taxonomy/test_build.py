import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import SUBJECTS, clustered, make_documents

from gemix import GEM, SphericalKMeans
from gemix.runtime.errors import GemixError
from gemix.taxonomy import build_taxonomy, load_taxonomy
from gemix.taxonomy.writer import escape


@pytest.fixture(scope="module")
def seed() -> tuple[pa.Table, np.ndarray, GEM]:
    """400 documents whose vectors follow their subjects."""
    made = make_documents(400)
    documents = pa.table(
        {
            "id": [d["id"] for d in made],
            "text": [d["text"] for d in made],
            "tokens": pa.array(range(100, 500), pa.int64()),
        }
    )
    random = np.random.default_rng(0)
    X = np.zeros((400, 8))
    X[np.arange(400), [list(SUBJECTS).index(d["subject"]) for d in made]] = 1
    X += 0.15 * random.normal(size=X.shape)
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float16)
    return documents, X, GEM(4, balance=0, random_state=0).fit(X)


def test_the_three_files_agree(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path) -> None:
    documents, X, model = seed
    taxonomy = build_taxonomy(documents, X, model, tmp_path, representatives=5)
    assert load_taxonomy(tmp_path) == load_taxonomy(tmp_path / "taxonomy.json") == taxonomy
    labels, ids = model.predict(X), documents["id"].to_pylist()
    tokens = documents["tokens"].to_numpy()
    for domain in taxonomy.domains:
        members = np.flatnonzero(labels == domain.id)
        assert domain.documents == len(members)
        assert domain.tokens == tokens[members].sum()
        assert domain.cohesion == pytest.approx(model.transform(X)[members, domain.id].mean(), abs=1e-4)
        shown = [ids.index(r.id) for r in domain.representatives]
        assert len(shown) == 5
        assert set(shown) <= set(members)
        scores = [r.gis for r in domain.representatives]
        assert scores == sorted(scores, reverse=True)
        # The subjects are known: the name is made of words of one of them.
        assert any(set(re.split("[- ]", domain.name)) <= set(words.split()) for words in SUBJECTS.values())
    assert sum(d.share for d in taxonomy.domains) == pytest.approx(1)
    audit = pq.read_table(tmp_path / "audit.parquet").to_pylist()
    assert [(row["domain"], row["rank"], row["id"], row["gis"], row["name"]) for row in audit] == [
        (d.id, rank, r.id, r.gis, d.name) for d in taxonomy.domains for rank, r in enumerate(d.representatives, 1)
    ]
    assert audit[0]["keywords"] == taxonomy.domains[0].keywords
    page = (tmp_path / "taxonomy.md").read_text()
    assert all(f"\n## {d.id}. {d.name}\n" in page for d in taxonomy.domains)


@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_the_tree_pools_its_domains(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path, k: int) -> None:
    documents, X, _ = seed
    taxonomy = build_taxonomy(documents, X, GEM(k, random_state=0).fit(X), tmp_path)
    assert load_taxonomy(tmp_path) == taxonomy
    nodes = taxonomy.tree.nodes
    assert [node.id for node in nodes] == list(range(k, 2 * k - 1))
    everything = [*taxonomy.domains, *nodes]
    for node in nodes:
        a, b = (everything[child] for child in node.children)
        assert (node.documents, node.tokens) == (a.documents + b.documents, a.tokens + b.tokens)
        assert node.named_by == "keywords"
    assert [node.height for node in nodes] == sorted(node.height for node in nodes)
    assert len({one.name for one in everything}) == 2 * k - 1
    if nodes:
        assert (nodes[-1].name, nodes[-1].documents) == ("all", 400)
    for node in nodes[:-1]:  # named by words of its own documents
        assert set(re.split("[- ]", node.name)) <= {word for words in SUBJECTS.values() for word in words.split()}


def test_a_taxonomy_without_a_tree_is_read(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path) -> None:
    build_taxonomy(*seed, tmp_path)
    value = json.loads((tmp_path / "taxonomy.json").read_text())
    assert value.pop("schema") == 2
    value["version"] = 1
    del value["tree"], value["copies"]
    for domain in value["domains"]:
        for key in ("description", "belongs", "excludes", "named_by", "coherence", "flags"):
            del domain[key]
    (tmp_path / "taxonomy.json").write_text(json.dumps(value))
    taxonomy = load_taxonomy(tmp_path)
    assert taxonomy.tree is None
    assert {domain.named_by for domain in taxonomy.domains} == {"keywords"}


def test_same_input_same_bytes(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path) -> None:
    for name in "ab":
        build_taxonomy(*seed, tmp_path / name, mode="random", seed=3)
    for file in ("taxonomy.json", "taxonomy.md", "audit.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_texts_cannot_break_the_page(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path) -> None:
    documents, X, model = seed
    evil = "# head\n| a | <script>alert(1)</script> ![x](http://y) `code` \x07\u202e **b** &amp;"
    documents = documents.set_column(1, "text", pa.array([f"{evil} {i}" for i in range(400)]))
    build_taxonomy(documents, X, model, tmp_path)
    for line in (tmp_path / "taxonomy.md").read_text().split("\n"):
        assert not re.search(r"(?<!\\)[<`]|(?<!\\)\[|\x07|\u202e|(?<!\\)&", line)
        assert line[:1] in ("", "#", "|", "K") or re.match(r"\d+\. \*\*|\d+ domains|No documents|The d| *- ", line)
    assert escape("a|b\n*c* _d_") == r"a\|b \*c\* \_d\_"


def test_empty_domains_are_kept(tmp_path: Path) -> None:
    documents = pa.table({"id": ["a", "b"], "text": ["bread", "the"], "tokens": pa.array([1, 2], pa.int64())})
    X, _ = clustered(n=40, d=6, k=3, noise=0.1, seed=0)
    model = SphericalKMeans(3, random_state=0).fit(X)
    same = np.stack([model.mean_directions_[1]] * 2)
    taxonomy = build_taxonomy(documents, same, model, tmp_path)
    assert [d.documents for d in taxonomy.domains] == [0, 2, 0]
    assert [d.cohesion for d in taxonomy.domains] == [None, 1.0, None]
    assert taxonomy.names == ["domain-00", "bread", "domain-02"]
    assert len(taxonomy.domains[1].representatives) == 1  # equal vectors
    assert "No documents." in (tmp_path / "taxonomy.md").read_text()
    assert load_taxonomy(tmp_path) == taxonomy


def test_lengths_must_match(seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path) -> None:
    documents, X, model = seed
    with pytest.raises(GemixError, match="400 documents but 399 vectors"):
        build_taxonomy(documents, X[1:], model, tmp_path)


def test_nothing_is_half_written(
    seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(GemixError, match=r"cannot write .*audit.parquet: No space left"):
        build_taxonomy(*seed, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["taxonomy.md"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["domains"].pop(0), "domain ids are not 0, 1, 2"),
        (lambda t: t["domains"][1].update(name=t["domains"][0]["name"]), "two domains have the same name"),
        (lambda t: t["domains"].pop(), "a tree of 3 nodes does not fit 3 domains"),
        (lambda t: t["tree"]["nodes"].pop(0), "tree: node ids are not K, K \\+ 1"),
        (lambda t: t["tree"]["nodes"][0].update(children=[0, 0]), "tree: not every node but the last is the child"),
        (lambda t: t["tree"]["nodes"][0].update(name=t["domains"][0]["name"]), "two nodes of the tree have the same"),
        (lambda t: t["domains"][2].pop("keywords"), r"domains\.2\.keywords: Field required"),
    ],
)
def test_damaged_taxonomies_are_named(
    seed: tuple[pa.Table, np.ndarray, GEM], tmp_path: Path, change: object, message: str
) -> None:
    build_taxonomy(*seed, tmp_path)
    file = tmp_path / "taxonomy.json"
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))
    with pytest.raises(GemixError, match=f"taxonomy.json: not a taxonomy: .*{message}"):
        load_taxonomy(tmp_path)


def test_a_newer_taxonomy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taxonomy.json").write_text('{"schema": 99}')
    with pytest.raises(GemixError, match=r"taxonomy\.json: written by a newer gemix"):
        load_taxonomy(tmp_path)


def test_missing_or_torn_taxonomy(tmp_path: Path) -> None:
    with pytest.raises(GemixError, match=r"cannot read .*taxonomy\.json: No such file"):
        load_taxonomy(tmp_path / "taxonomy.json")
    (tmp_path / "taxonomy.json").write_text('{"version": 1, "doma')
    with pytest.raises(GemixError, match="not a taxonomy: no JSON"):
        load_taxonomy(tmp_path)
