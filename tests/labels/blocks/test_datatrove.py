import json
from pathlib import Path
from typing import Any

import pytest

from gemix.labels.blocks.labeller import Labeller
from gemix.student import load_student

pytest.importorskip("datatrove", reason="datatrove is not installed: pip install datatrove")
pytest.importorskip("orjson", reason="datatrove reads JSON lines with it: pip install orjson")


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pipeline_passes_every_document_on_with_its_domain(
    student_folder: Path, documents: list[dict], tmp_path: Path, workers: int
) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from gemix.labels.blocks.datatrove import DomainLabeller

    for part in range(2):
        path = tmp_path / "in" / f"{part}.jsonl"
        path.parent.mkdir(exist_ok=True)
        rows = [row | {"text": row["text"] or " "} for row in documents[part::2]]  # the reader drops null
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(str(tmp_path / "in"), add_file_path=False),
            DomainLabeller(student_folder, batch_size=32),
            JsonlWriter(str(tmp_path / "out"), output_filename="${rank}.jsonl", compression=None),
        ],
        tasks=2,
        workers=workers,
        logging_dir=str(tmp_path / "logs"),
    ).run()
    found = read(tmp_path / "out")
    order = documents[0::2] + documents[1::2]
    assert [row["id"] for row in found] == [row["id"] for row in order]
    student = load_student(student_folder)
    for row, document in zip(found, order, strict=True):
        text = (document["text"] or "").strip()
        label = student.predict([text]) if text else None
        assert row["metadata"] == {
            "source": "made",
            "domain": int(label[0][0, 0]) if label else None,
            "domain_name": student.domains[label[0][0, 0]] if label else None,
            "domain_probability": pytest.approx(float(label[1][0, 0]), abs=1e-6) if label else None,
        }
    stats = json.loads((tmp_path / "logs" / "stats.json").read_text())
    counts = next(step["stats"] for step in stats if "gemix" in step["name"])
    assert counts["documents"] == len(documents)
    assert counts["without_label"] == 2
    assert counts["domain_law"] == sum(row["metadata"]["domain_name"] == "law" for row in found)


def test_metadata_that_is_there_is_not_written_over(student_folder: Path) -> None:
    from datatrove.data import Document

    from gemix.labels.blocks.datatrove import DomainLabeller

    step = DomainLabeller(student_folder)
    with pytest.raises(ValueError, match=r"document 'a' has metadata 'domain' of its own"):
        list(step.run(iter([Document("oven", "a", metadata={"domain": "example.org"})])))
    (document,) = DomainLabeller(student_folder, key="topic").run(
        iter([Document("oven", "a", metadata={"domain": "example.org"})])
    )
    assert document.metadata["domain"] == "example.org"
    assert document.metadata["topic"] == 0


def test_no_documents(student_folder: Path) -> None:
    from gemix.labels.blocks.datatrove import DomainLabeller

    assert list(DomainLabeller(student_folder).run(None)) == []


def test_the_student_loads_in_its_fasttext_filter(
    student_folder: Path, documents: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fasteners", reason="datatrove's fastText filter needs it: pip install fasteners")
    from datatrove.data import Document
    from datatrove.pipeline.filters import FastTextClassifierFilter

    # It asks for a wheel by its name; the fastText that is installed has another one.
    monkeypatch.setattr(FastTextClassifierFilter, "_requires_dependencies", [])
    kept = [(str(k), -1.0) for k in range(3)]  # without one of the two lists version 0.10 fails
    step = FastTextClassifierFilter(str(student_folder / "model.bin"), keep_labels=kept)
    texts = [document["text"] for document in documents if (document["text"] or "").strip()]
    normalise = load_student(student_folder).normaliser
    out = list(step.run(iter([Document(normalise(text), str(i)) for i, text in enumerate(texts)])))
    assert len(out) == len(texts)
    for document, label in zip(out, Labeller(student_folder)(texts), strict=True):
        scores = {name: score for name, score in document.metadata.items() if name.startswith("__label__")}
        assert label is not None
        assert max(scores, key=scores.__getitem__) == f"__label__{label[0]}"
        assert scores[f"__label__{label[0]}"] == pytest.approx(label[2], abs=2e-5)
