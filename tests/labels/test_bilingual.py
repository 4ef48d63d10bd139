"""Text without spaces has its share of the tokens: words would give it next to none."""

import json
import random
from pathlib import Path

from label_data import save_hashed_student
from support import make_documents

from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window
from gemix.labels import Reading
from gemix.labels.launch import label_corpus
from gemix.tokens.choose import write_tokenizer


def test_the_half_without_spaces_has_its_share(tmp_path: Path) -> None:
    rng = random.Random(0)
    signs = [chr(0x4E00 + i) for i in range(300)]
    chinese = ["，".join("".join(rng.choices(signs, k=8)) for _ in range(12)) for _ in range(200)]
    english = [document["text"] for document in make_documents(200)]
    texts = [(text, language) for language, found in (("zh", chinese), ("en", english)) for text in found]
    (tmp_path / "in").mkdir()
    lines = [json.dumps({"text": text, "language": language}) for text, language in texts]
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines) + "\n")
    counter = write_tokenizer(tmp_path / "tokenizer.json", None, map(Window(3000), chinese + english))
    student = save_hashed_student(tmp_path / "student", tokenizer=False)
    found = label_corpus(
        resolve_shards([tmp_path / "in"]), student, tmp_path / "out", Reading(source_key="language")
    ).totals
    assert found.settings["tokenizer"] == counter.fingerprint
    assert found.by_source is not None
    shares = {name: sum(cell[1] for cell in cells.values()) for name, cells in found.by_source.values.items()}
    assert shares == {"zh": int(counter.count(chinese).sum()), "en": int(counter.count(english).sum())}
    assert sum(shares.values()) == sum(found.tokens)
    assert 0.5 < shares["zh"] / sum(shares.values()) < 0.9  # of the words it has a fortieth


def test_the_same_sample_makes_the_same_bytes(tmp_path: Path) -> None:
    texts = [document["text"] for document in make_documents(100)]
    for name in ("a.json", "b.json"):
        write_tokenizer(tmp_path / name, None, texts)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_indentation_that_windows_have_lost_is_known(tmp_path: Path) -> None:
    texts = [document["text"] for document in make_documents(100)]
    counter = write_tokenizer(tmp_path / "t.json", None, texts)
    plain, indented = counter.count(["oven\nbutter", "oven\n            butter"])
    assert indented <= plain + 1
