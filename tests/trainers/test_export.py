import ast
import json
from pathlib import Path

import pytest
import yaml
from export_data import mixture
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemix.mix.mixture import DomainWeight, Mixture
from gemix.runtime.errors import GemixError
from gemix.trainers import TRAINERS, export_mixture, read_mixture
from gemix.trainers.export import repeated_domains
from gemix.trainers.sources import make_sources

SUFFIXES = {"nemo": ".json", "torchtitan": ".py", "litgpt": ".py", "hf-datasets": ".json"}


def counted(*weights: float) -> Mixture:
    domains = [
        DomainWeight(domain=f"d{i}", weight=weight, documents=100 * (i + 1), tokens=7_000 * (i + 1) ** 2)
        for i, weight in enumerate(weights)
    ]
    return Mixture(strategy="made", domains=domains)


@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.integers(1, 10**9), st.integers(1, 10**6)), min_size=1, max_size=30
    ).filter(lambda rows: sum(row[0] for row in rows) > 0)
)
def test_documents_drawn_by_the_probabilities_give_the_token_shares(rows: list[tuple[int, int, int]]) -> None:
    total = sum(weight for weight, _, _ in rows)
    domains = [
        DomainWeight(domain=f"d{i}", weight=weight / total, documents=documents, tokens=documents * length)
        for i, (weight, documents, length) in enumerate(rows)
    ]
    made = Mixture(strategy="made", domains=domains)
    sources = make_sources(made, "{domain}", "documents", 4)
    lengths = {f"d{i}": length for i, (_, _, length) in enumerate(rows)}
    tokens = {source.domain: source.share * lengths[source.domain] for source in sources}
    assert sum(source.share for source in sources) == pytest.approx(1)
    expected = {entry.domain: entry.weight for entry in domains if entry.weight > 0}
    assert {name: n / sum(tokens.values()) for name, n in tokens.items()} == pytest.approx(expected)
    assert [source.share for source in make_sources(made, "{domain}", "tokens", 4)] == pytest.approx(
        list(expected.values())
    )


@pytest.mark.parametrize("to", TRAINERS)
def test_every_trainer_leaves_out_what_has_no_weight(to: str, tmp_path: Path) -> None:
    out = tmp_path / f"file{SUFFIXES.get(to, '')}"
    assert [source.domain for source in export_mixture(counted(0.5, 0, 0.5), to, out)] == ["d0", "d2"]
    assert "d2" in out.read_text()
    assert "d1" not in out.read_text()


@pytest.mark.parametrize("to", ["mosaicml-streaming", "hf-datasets"])
@pytest.mark.parametrize("field", ["documents", "tokens"])
@pytest.mark.parametrize("value", [None, 0])
def test_documents_need_their_mean_length(to: str, field: str, value: int | None, tmp_path: Path) -> None:
    entry = DomainWeight(domain="law", weight=1.0, documents=3, tokens=9).model_copy(update={field: value})
    made = Mixture(strategy="made", domains=[entry])
    out = tmp_path / "file.json"
    with pytest.raises(GemixError, match=r"documents or tokens of 'law' are not known.*--counts tokens"):
        export_mixture(made, to, out)
    assert not out.exists()
    export_mixture(made, to, out, counts="tokens")
    assert out.exists()


def test_what_is_counted_can_be_said(tmp_path: Path) -> None:
    export_mixture(counted(0.5, 0.5), "megatron", tmp_path / "a", counts="documents")
    assert float((tmp_path / "a").read_text().split()[0]) == pytest.approx(2 / 3)  # 70 tokens a document, and 140
    with pytest.raises(GemixError, match=r"--counts bytes: not one of tokens, documents"):
        export_mixture(counted(1.0), "megatron", tmp_path / "b", counts="bytes")


def test_a_template_may_end_in_json(tmp_path: Path) -> None:
    export_mixture(counted(1.0), "megatron", tmp_path / "out", paths="data/{domain}.json")
    assert (tmp_path / "out").read_text() == "1.0 data/d0.json\n"


def test_paths_by_domain(tmp_path: Path) -> None:
    table = tmp_path / "paths.json"
    table.write_text(json.dumps({"d0": "a b/x", "d1": "y", "other": "z"}))
    export_mixture(counted(0.5, 0.5), "nemo", tmp_path / "out.json", paths=str(table))
    assert json.loads((tmp_path / "out.json").read_text()) == ["0.5", "a b/x", "0.5", "y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"d0": "x"}', r"has no path for the domain 'd1'"),
        ('{"d0": "x", "d1": "x"}', r"'d0' and 'd1' have the same path 'x'"),
        ('{"d0": 1}', r"must hold one JSON object of paths by domain"),
        ("[", r"is not JSON"),
        (None, r"cannot read .*paths\.json: No such file"),
    ],
)
def test_bad_paths_by_domain(content: str | None, message: str, tmp_path: Path) -> None:
    table = tmp_path / "paths.json"
    if content is not None:
        table.write_text(content)
    with pytest.raises(GemixError, match=message):
        export_mixture(counted(0.5, 0.5), "doremi", tmp_path / "out", paths=str(table))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("to", "names", "out", "paths", "message"),
    [
        ("marin", ["a", "b"], "out", None, r"--to marin: not one of megatron, nemo, "),
        ("megatron", ["a b", "c"], "out", None, r"no path may hold any: 'data/a b'"),
        ("megatron", ["a", "b"], "out", "data", r"--paths data: neither a template"),
        ("olmix", ["a:b", "c"], "out", None, r"no domain may have one: 'a:b'"),
        (
            "regmix",
            ["law", "law-firm"],
            "out",
            "train_{domain}",
            r"begin with 'train_law', those of 'train_law-firm' too",
        ),
        ("torchtitan", ["Law", "law"], "out.py", None, r"capital and small"),
        ("nemo", ["a", "b"], "out.txt", None, r"must end in \.json, not in '\.txt'"),
        ("hf-datasets", ["a", "b"], "out", None, r"must end in \.json or \.py, not in ''"),
    ],
)
def test_what_a_trainer_would_misread_is_refused(
    to: str, names: list[str], out: str, paths: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(GemixError, match=message):
        export_mixture(mixture(0.5, 0.5, names=names), to, tmp_path / out, paths=paths, counts="tokens")
    assert not list(tmp_path.iterdir())


def test_names_with_quotes_stay_names(tmp_path: Path) -> None:
    names = ['a"b', "c'd\n\\e", "{sources}"]
    made = mixture(0.25, 0.25, 0.5, names=names)
    export_mixture(made, "hf-datasets", tmp_path / "m.py", counts="tokens", paths="{domain}")
    table = (tmp_path / "m.py").read_text().partition("SOURCES = ")[2].partition("\n\n")[0]
    assert ast.literal_eval(table) == {
        name: (name, weight, None) for name, weight in zip(names, made.weights, strict=True)
    }
    export_mixture(made, "levanter", tmp_path / "data.yaml", paths="{domain}")
    assert list(yaml.safe_load((tmp_path / "data.yaml").read_text())["data"]["train_weights"]) == names


def test_regmix_prefixes_can_be_told_apart(tmp_path: Path) -> None:
    export_mixture(mixture(0.5, 0.5, names=["law", "law-firm"]), "regmix", tmp_path / "out", paths="train_{domain}_")
    assert list(yaml.safe_load((tmp_path / "out").read_text())["train"]) == ["train_law_", "train_law-firm_"]


def test_repeated_domains_worst_first(tmp_path: Path) -> None:
    domains = [
        DomainWeight(domain="stored", weight=0.25, epochs=5.0),
        DomainWeight(domain="computed", weight=0.25, tokens=10),  # 25 of 10 tokens
        DomainWeight(domain="unknown", weight=0.25),
        DomainWeight(domain="fresh", weight=0.25, tokens=100),
    ]
    made = Mixture(strategy="made", budget_tokens=100, domains=domains)
    drawn = export_mixture(made, "megatron", tmp_path / "blend")
    assert [(d.domain, d.epochs) for d in repeated_domains(drawn, 2)] == [("stored", 5.0), ("computed", 2.5)]
    assert [d.domain for d in repeated_domains(drawn, 2.5)] == ["stored"]


def test_a_limit_on_repetition_never_forbids_what_the_mixture_asks_for(tmp_path: Path) -> None:
    made = Mixture(strategy="made", domains=[DomainWeight(domain="a", weight=1, epochs=7.5)])
    export_mixture(made, "olmo-core", tmp_path / "a", max_epochs=2)
    assert yaml.safe_load((tmp_path / "a").read_text())["sources"][0]["max_repetition_ratio"] == pytest.approx(
        7.5 * 1.01
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*mixture\.json: No such file"),
        ("{", r"mixture\.json: not a mixture: no JSON"),
        ('{"strategy": "x", "domains": [{"domain": "a", "weight": 2}]}', r"domains\.0\.weight: Input should be less"),
        ('{"strategy": "x", "domains": [{"domain": "a", "weight": 0.5}]}', r"not a mixture: the weights sum to 0\.5"),
        ('{"schema": 4, "strategy": "x", "domains": []}', r"mixture\.json: written by a newer gemix \(schema 4"),
    ],
)
def test_bad_mixtures(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mixture.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GemixError, match=message):
        read_mixture(path)


def test_the_command_warns_about_repetition_and_says_what_it_left_out(tmp_path: Path) -> None:
    import typer

    from gemix.cli.export import export

    domains = [
        DomainWeight(domain="law", weight=0.75, tokens=10, documents=1),
        DomainWeight(domain="arts", weight=0.25, tokens=1000, documents=1),
        DomainWeight(domain="none", weight=0.0),
    ]
    made = Mixture(strategy="made", budget_tokens=100, domains=domains)
    (tmp_path / "mixture.json").write_text(made.model_dump_json())
    app = typer.Typer()
    app.command()(export)
    arguments = [str(tmp_path / "mixture.json"), "--to", "megatron", "--out", str(tmp_path / "blend")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "warning: law is repeated 7.5 times, more than --max-epochs 4" in done.stderr
    assert "arts is repeated" not in done.stderr
    assert "2 domains, 1 without weight left out" in done.stderr
    assert (tmp_path / "blend").read_text() == "0.75 data/law\n0.25 data/arts\n"
    done = CliRunner().invoke(app, [*arguments, "--max-epochs", "8"])
    assert "warning" not in done.stderr
