"""What is in the report, read from the file itself."""

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from support import make_documents
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.report import documents, page, read
from gemix.report.baselines import fit_baselines, load_baselines
from gemix.report.facts import command
from gemix.report.overview import order
from gemix.runtime.errors import GemixError

OWN = [name for name in page.PANELS if name not in ("map", "mixture")]


class Outline(HTMLParser):
    """Collects ids, addresses and scripts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "action", "data", "srcset"):
                self.addresses.append(value)


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def data_of(html: str, name: str):
    found = re.search(rf'<script type="application/json" id="data-{name}">(.*?)</script>', html)
    return json.loads(found[1])


def test_the_page_is_complete_and_asks_for_nothing(run):
    html = page.render(run, OWN)
    outline = Outline(html)
    assert [name for name in outline.ids if name in page.PANELS] == OWN
    assert {f"domain-{k}" for k in range(4)} <= set(outline.ids)
    assert len(set(outline.ids)) == len(outline.ids)
    assert all(address.startswith("#") or address == "data:," for address in outline.addresses)
    assert {address[1:] for address in outline.addresses if address.startswith("#")} <= set(outline.ids)
    assert "style" not in outline.attributes
    assert not any(name.startswith("on") for name in outline.attributes)
    assert not outline.tags & {"img", "iframe", "object", "embed", "form", "base"}
    assert len(html.encode()) < 1_000_000


def test_the_policy_names_every_script_and_style_by_its_hash(run):
    html = page.render(run, OWN)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    blocks = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", html, re.DOTALL)
    hashes = {f"sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}" for block in blocks}
    assert len(blocks) > 3
    assert hashes == set(re.findall(r"'(sha256-[^']*)'", policy))


def test_representatives_and_random_members_are_different_documents_of_the_domain(run):
    first, again = documents.panel(run), documents.panel(run)
    assert first == again
    subject = {document["id"]: document["subject"] for document in make_documents(600)}
    placed = read.seed(run, ["id"])
    labels = dict(
        zip(placed[0]["id"].to_pylist(), read.RunFolder(run).read_teacher().predict(placed[1]).tolist(), strict=True)
    )
    for domain in first["domains"]:
        typical = [document["id"] for document in domain["representatives"]]
        random = [document["id"] for document in domain["random"]]
        assert len(typical) == len(random) == documents.MOST
        assert not set(typical) & set(random)
        assert {labels[name] for name in typical + random} == {domain["id"]}
        assert set(typical) <= set(subject)


def test_the_tree_is_shown_and_orders_the_domains(run):
    taxonomy = read.taxonomy(run)
    data = data_of(page.render(run, OWN), "treemap")
    assert len(data["nodes"]) == 7
    root = data["nodes"][-1]
    assert root["tokens"] == sum(node["tokens"] for node in data["nodes"][:4])
    assert root["tokens"] == pytest.approx(600 * 40, abs=10)  # of windows, scaled to the bytes of whole documents
    assert root["documents"] == 600
    assert sorted(order(run)) == [0, 1, 2, 3]
    places = order(run)
    for node in taxonomy.tree.nodes:  # leaves below a node are neighbours
        below, stack = [], [node.id]
        while stack:
            inner = stack.pop()
            if inner < 4:
                below.append(places[inner])
            else:
                stack += taxonomy.tree.nodes[inner - 4].children
        assert max(below) - min(below) == len(below) - 1


def test_a_taxonomy_without_a_tree_is_shown_flat(run):
    taxonomy = json.loads((run / "taxonomy.json").read_text())
    del taxonomy["tree"]
    (run / "taxonomy.json").write_text(json.dumps(taxonomy))
    html = page.render(run, OWN)
    assert "Domains by size" in html
    assert data_of(html, "treemap")["nodes"][-1]["children"] == [0, 1, 2, 3]


def test_convergence_comes_from_the_fit(run):
    facts = read.stages(run)["fit"]["facts"]
    phases = data_of(page.render(run, OWN), "convergence")["phases"]
    objective = phases[-1]["objective"]
    assert len(objective) == facts["iterations"] + 1
    assert objective[-1] == facts["objective"]
    assert all(a <= b + 1e-9 * abs(b) for a, b in pairwise(objective))
    assert max(phases[-1]["gap"]) < 1e-6
    (run / "teacher" / "trace.json").unlink()
    assert 'id="convergence"' not in page.render(run, OWN)


def test_balance_shows_what_the_potentials_did_and_baselines_are_fitted_once(run):
    names = [method["name"] for method in data_of(page.render(run, OWN), "balance")["methods"]]
    assert names == ["before balancing", "after balancing", "labelled corpus"]
    fitted = fit_baselines(run)
    assert [method.name for method in fitted] == ["k-means", "spherical k-means", "von Mises-Fisher mixture"]
    assert all(abs(sum(method.masses) - 1) < 1e-9 for method in fitted)
    stamp = (run / "baselines.json").stat().st_mtime_ns
    assert fit_baselines(run) == fitted
    assert (run / "baselines.json").stat().st_mtime_ns == stamp
    data = data_of(page.render(run, OWN), "balance")
    by_name = {method["name"]: method for method in data["methods"]}
    facts = read.stages(run)["fit"]["facts"]
    assert by_name["after balancing"]["largest"] == pytest.approx(facts["largest_to_uniform"])
    assert by_name["k-means"]["largest"] > by_name["after balancing"]["largest"]
    assert by_name["before balancing"]["largest"] > by_name["after balancing"]["largest"]


def test_baselines_of_other_embeddings_do_not_count(run):
    fit_baselines(run)
    shown = json.loads((run / "baselines.json").read_text())
    (run / "baselines.json").write_text(json.dumps(shown | {"embeddings": "0" * 64}))
    assert load_baselines(run) == []
    (run / "baselines.json").write_text("{}")
    with pytest.raises(GemixError, match=r"baselines\.json"):
        load_baselines(run)


def test_confusion_names_the_most_confused_domains(run):
    path = run / "student" / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["confusion"] = [[9, 1, 0, 0], [0, 8, 0, 0], [5, 0, 7, 0], [0, 0, 0, 6]]
    path.write_text(json.dumps(evaluation))
    data = data_of(page.render(run, OWN), "agreement")
    assert data["pairs"] == [
        {"teacher": 2, "student": 0, "documents": 5, "of": 12},
        {"teacher": 0, "student": 1, "documents": 1, "of": 10},
    ]
    by_tree = data["matrix"]["order"]
    assert data["matrix"]["counts"][by_tree.index(2)][by_tree.index(0)] == 5
    del evaluation["confusion"]
    path.write_text(json.dumps(evaluation))
    assert data_of(page.render(run, OWN), "agreement")["matrix"] is None


def test_the_command_makes_the_same_run_again(run, tmp_path):
    config = read.settings(run)
    arguments = shlex.split(command(config, run, config.inputs))[1:]
    arguments[arguments.index("--out") + 1] = str(tmp_path / "again")
    result = invoke(*arguments, "--workers", config.workers, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert config.to_yaml() in result.stderr


def test_the_page_stays_under_its_limit(run, monkeypatch):
    whole = page.render(run, OWN)
    monkeypatch.setattr(page, "LIMIT", len(whole.encode()) - 1)
    smaller = page.render(run, OWN)
    assert len(smaller.encode()) < len(whole.encode())
    assert smaller.count("<li><p") == 4 * documents.MOST


def test_a_run_that_is_only_named_has_a_report_and_says_what_is_missing(run):
    ledger = json.loads((run / "run.json").read_text())
    for stage in ("distill", "label"):
        del ledger["stages"][stage]
    (run / "run.json").write_text(json.dumps(ledger))
    html = page.render(run, OWN)
    assert "all counts are of the seed sample" in html
    assert 'id="agreement"' not in html
    assert "Agreement" not in html


def test_one_domain_has_a_report(run, tmp_path):
    one = tmp_path / "one"
    options = ["--embedder", "lsa", "--clusters", "1", "-j", "1"]
    result = invoke("run", read.settings(run).inputs[0], "--out", one, *options)
    assert result.exit_code == 0, result.stderr
    assert 'id="domain-0"' in page.render(one, OWN)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "run.json").unlink(), "is not a run folder"),
        (lambda run: (run / "run.json").write_text("{"), "cannot use"),
        (lambda run: (run / "taxonomy.json").write_text("{}"), "not a taxonomy"),
        (lambda run: (run / "student" / "evaluation.json").write_text("{}"), "is not an evaluation"),
        (lambda run: (run / "domains.csv").write_text("domain,documents,tokens,name\n0,1,1,a\n"), "has 1 domains"),
        (lambda run: (run / "domains.csv").unlink(), "domains.csv"),
        (lambda run: (run / "embeddings" / "seed.npy").write_bytes(b"no"), "cannot read"),
        (lambda run: (run / "seed.parquet").unlink(), "seed.parquet"),
        (lambda run: (run / "teacher" / "config.json").write_text("{}"), "teacher"),
        (lambda run: (run / "teacher" / "trace.json").write_text("[]"), "trace.json"),
    ],
)
def test_damaged_files_are_named(run, monkeypatch, damage, said):
    monkeypatch.setattr(page, "PANELS", {name: page.PANELS[name] for name in OWN})
    damage(run)
    result = invoke("report", run)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (run / "report.html").exists()


def test_names_of_an_earlier_teacher_are_refused(run):
    ledger = json.loads((run / "run.json").read_text())
    ledger["stages"]["fit"]["outputs"]["teacher/model.safetensors"] = "other"
    (run / "run.json").write_text(json.dumps(ledger))
    result = invoke("report", run)
    assert result.exit_code == 1
    assert "describes an earlier teacher" in result.stderr


def test_report_and_show_make_no_folders(tmp_path):
    for name in ("report", "show"):
        result = invoke(name, tmp_path / "typo")
        assert result.exit_code == 1
        assert "is not a run folder" in result.stderr
    assert not (tmp_path / "typo").exists()


def test_the_same_run_gives_the_same_bytes(run):
    one = page.render(run, OWN)
    copy = Path(run.parent / "elsewhere" / run.name)
    copy.parent.mkdir()
    run.rename(copy)
    assert page.render(copy, OWN) == one


def test_without_text_no_passage_of_a_document_is_in_the_page(run: Path) -> None:
    passages = [one.excerpt for domain in read.taxonomy(run).domains for one in domain.representatives]
    full = page.render(run)
    assert sum(passage[:40] in full for passage in passages) > 20
    bare = page.render(run, text=False)
    texts = read.seed(run, ["text"])[0]["text"].to_pylist()
    assert not any(text[at : at + 40] in bare for text in texts for at in range(0, len(text) - 40, 40))
    assert all(domain.name in bare for domain in read.taxonomy(run).domains)
