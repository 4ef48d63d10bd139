import json
from pathlib import Path

import numpy as np
import pytest
from label_data import DOMAINS
from support import write_word_tokenizer
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import label_corpus
from gemix.labels.drift import compare_shares, measure_drift
from gemix.labels.markers import marker_path, read_marker
from gemix.labels.reference import Masses, Reference, read_reference
from gemix.labels.totals import Totals, totals
from gemix.runtime.errors import GemixError
from gemix.student.base import student_fingerprint


def masses(documents: list[int], confidence: float = 0.8, variance: float = 0.04) -> Masses:
    return Masses(np.array(documents), confidence, variance)


def counted(documents: list[int], confidence: float = 0.8, variance: float = 0.04) -> Totals:
    mean, square = (round(1e6 * x) for x in (confidence, variance + confidence**2))
    return Totals(
        documents=documents,
        confidence=[n * mean for n in documents],
        confidence_squares=[n * square for n in documents],
        model="m",
    )


@pytest.mark.parametrize(("k", "n", "m"), [(24, 2000, 50_000), (2, 3000, 3000), (4, 3000, 3000), (200, 20_000, 10**6)])
def test_the_distance_that_chance_makes_is_the_one_that_is_told(k: int, n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(k, 5.0))
    found = [compare_shares(Masses(rng.multinomial(n, p)), Masses(rng.multinomial(m, p))) for _ in range(2000)]
    distance, expected, bound = np.array(found).T
    assert distance.mean() == pytest.approx(expected.mean(), rel=0.02)
    assert distance.std() == pytest.approx((bound - expected).mean() / 2.326, rel=0.1)
    assert (distance > bound).mean() < 0.035


def test_total_variation() -> None:
    distance, _, _ = compare_shares(masses([50, 50, 0]), masses([30, 30, 40]))
    assert distance == pytest.approx(0.4)


def test_more_comparisons_need_more() -> None:
    pair = masses([100] * 24), masses([110] * 24)
    assert compare_shares(*pair, 1000)[2] > compare_shares(*pair)[2]


def test_no_drift_no_warning() -> None:
    reference = Reference("the seed", masses([40, 30, 30]), "m")
    drift = measure_drift(counted([4100, 2900, 3000]), reference, DOMAINS)
    assert drift.warnings == []
    assert drift.total_variation == pytest.approx(0.01)
    assert drift.expected > drift.total_variation


def test_a_shift_is_told_with_its_reason() -> None:
    reference = Reference("the seed", masses([4000, 3000, 3000]), "m")
    drift = measure_drift(counted([1000, 6000, 3000]), reference, DOMAINS)
    (warning,) = drift.warnings
    assert "the domains have shifted: total variation 0.300 from the seed" in warning
    assert "cooking 40.0% -> 10.0%, space 30.0% -> 60.0%" in warning
    assert [d.domain for d in drift.domains] == [0, 1, 2]
    assert abs(drift.domains[1].z) > 20


def test_a_large_distance_that_chance_could_make_is_no_warning() -> None:
    reference = Reference("the seed", masses([4, 3, 3]), "m")
    drift = measure_drift(counted([2000, 4000, 4000]), reference, DOMAINS)
    assert drift.total_variation == pytest.approx(0.2)
    assert drift.bound > 0.2
    assert drift.warnings == []


def test_less_confidence() -> None:
    reference = Reference("the seed", masses([400, 300, 300], confidence=0.85), "m")
    drift = measure_drift(counted([400, 300, 300], confidence=0.7), reference, DOMAINS)
    (warning,) = drift.warnings
    assert "mean confidence 0.700, in the seed 0.850" in warning
    assert drift.confidence_error == pytest.approx(np.sqrt(2 * 0.04 / 1000))
    assert measure_drift(counted([400, 300, 300], confidence=0.95), reference, DOMAINS).warnings == []
    assert measure_drift(counted([400, 300, 300], confidence=0.7), reference, DOMAINS, drop=0.2).warnings == []


def test_labels_of_another_student_do_not_compare() -> None:
    with pytest.raises(GemixError, match="the labels are of another student than the seed"):
        measure_drift(counted([1, 1, 1]), Reference("the seed", masses([1, 1, 1]), "other"), DOMAINS)


def test_an_unknown_confidence_and_no_documents() -> None:
    reference = Reference("the seed", Masses(np.array([4, 3, 3])), "m")
    assert measure_drift(counted([4, 3, 3]), reference, DOMAINS).reference_confidence is None
    assert measure_drift(counted([0, 0, 0]), reference, DOMAINS).warnings == []


@pytest.fixture
def labelled(shards: list[Shard], student_folder: Path, tmp_path: Path) -> Path:
    """Labels of the corpus, and a student beside them that was tested on the like of it."""
    run = tmp_path / "run"
    label_corpus(shards, student_folder, run / "labels")
    (run / "labels" / "domains.csv").write_text("domain,name,tokens\n0,cooking,1\n1,space,1\n2,law,1\n")
    (run / "student").mkdir()
    write_word_tokenizer(run / "tokenizer.json")
    for file in student_folder.iterdir():
        (run / "student" / file.name).write_bytes(file.read_bytes())
    of = Masses.of(totals(run / "labels"))
    confusion = np.diag(of.documents // 2).tolist()
    bands = [
        {"low": 0.4, "high": 0.6, "documents": 0, "probability": None, "top1": None},
        {"low": 0.6, "high": 1.0, "documents": of.total // 2, "probability": of.confidence, "top1": 0.9},
    ]
    evaluation = {"confusion": confusion, "calibration": bands}
    (run / "student" / "evaluation.json").write_text(json.dumps(evaluation))
    return run


def test_references(labelled: Path) -> None:
    want = student_fingerprint(labelled / "student")
    for path in (labelled, labelled / "student", labelled / "labels"):
        reference = read_reference(path)
        assert reference.model == want
        assert reference.masses.total in (2592, 1295, 1294)
        drift = measure_drift(totals(labelled / "labels"), reference, DOMAINS)
        assert drift.warnings == []
        assert drift.total_variation < 0.001
        assert drift.reference_confidence == pytest.approx(drift.confidence)
    with pytest.raises(GemixError, match="nothing to compare with; give a run folder"):
        read_reference(labelled / "nothing")
    (labelled / "student" / "evaluation.json").write_text('{"top1": 0.7}')
    with pytest.raises(GemixError, match=r"evaluation\.json holds nothing to compare with .*confusion"):
        read_reference(labelled)


def test_the_command_line_names_the_files_that_shifted(labelled: Path) -> None:
    path = marker_path(labelled / "labels", "sub/c")
    marker = read_marker(path)
    assert marker is not None
    text = path.read_text()
    content = json.loads(text)
    content["documents"] = [sum(marker.documents), 0, 0]
    path.write_text(json.dumps(content))
    out = CliRunner().invoke(app, ["stats", str(labelled / "labels"), "--reference", str(labelled)])
    assert out.exit_code == 0, out.stderr
    assert "warning: the domains have shifted" in out.stderr
    shifted = out.stdout[out.stdout.index("shifted files") :]
    assert "sub/c" in shifted
    assert not any(name in shifted.split() for name in ("a", "b", "d"))
    out = CliRunner().invoke(app, ["stats", str(labelled / "labels"), "--reference", str(labelled), "--shift", "0.9"])
    assert "warning" not in out.stderr


def test_labelling_warns(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    rows = [{"text": "court judge appeal statute verdict " * 3} for _ in range(400)]
    (tmp_path / "new" / "law.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["label", str(tmp_path / "new"), "--student", str(labelled / "student"), "--workers", "1"]
    out = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert out.exit_code == 0
    assert "warning: the domains have shifted" in out.stderr
    assert "the 1,29" in out.stderr
    (labelled / "student" / "evaluation.json").unlink()
    out = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "again")])
    assert out.exit_code == 0
    assert "warning" not in out.stderr


def test_shards_of_the_corpus_itself_do_not_drift(labelled: Path, corpus: Path) -> None:
    from gemix.labels.stats import read_stats

    found = read_stats(labelled / "labels")
    drift = measure_drift(found.totals, read_reference(labelled), found.names, found.markers)
    assert drift.shards == []
    assert len(found.markers) == len(resolve_shards([corpus]))
