"""Data that several tests make."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

from gemix.run.settings import STAGES, resolve, settings_of

WORD_TOKENIZER = Path(__file__).with_name("word_tokenizer.json")
SUBJECTS = {
    "cooking": "oven butter flour simmer garlic recipe whisk pastry roast sauce onion dough broth vinegar",
    "sailing": "harbour mast keel anchor tide rigging hull voyage compass sailor rudder deck breeze mooring jib",
    "finance": "bond dividend portfolio equity yield hedge broker margin asset ledger coupon audit credit",
    "gardening": "soil compost seedling prune mulch perennial tulip trellis watering bulb lawn shade orchard",
}


def make_documents(n: int, seed: int = 0) -> list[dict[str, str]]:
    """Documents of 40 words about one of four subjects, with a little of the others, skewed by subject."""
    rng = random.Random(seed)
    names = list(SUBJECTS)
    common = ["the", "and", "of", "with", "some", "then", "into", "after", "while", "very", "good", "new", "old"]
    out = []
    for i in range(n):
        subject = rng.choices(names, weights=[4, 3, 2, 1])[0]
        words = rng.choices(SUBJECTS[subject].split(), k=26) + rng.choices(common, k=12)
        words += rng.choices(SUBJECTS[rng.choice(names)].split(), k=2)
        rng.shuffle(words)
        out.append({"id": f"doc-{i:05d}", "text": " ".join(words), "subject": subject})
    return out


def write_word_tokenizer(path: Path) -> Path:
    """Write a tokenizer whose tokens are the pieces of `str.split`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(WORD_TOKENIZER.read_bytes())
    return path


def write_jsonl(path: Path, documents: list[dict]) -> Path:
    data = b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
    path.write_bytes(zstandard.compress(data) if path.suffix == ".zst" else data)
    return path


def clustered(n: int, d: int, k: int, noise: float, seed: int, skew: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around k random directions, cluster sizes proportional to rank^-skew; and their true clusters."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(k, d))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    share = 1.0 / np.arange(1, k + 1) ** skew
    truth = random.choice(k, n, p=share / share.sum())
    x = centres[truth] + noise * random.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), truth


def store_settings(folder: Path, **values: Any) -> None:
    """Make a run folder whose stages were run with these settings."""
    config = resolve(values)
    stages = {stage: {"config": settings_of(config, stage), "outputs": {}, "inputs": {}} for stage in STAGES}
    (folder / "run.json").write_text(json.dumps({"schema": 3, "stages": stages, "files": {}}))


def files_below(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return what writing a file changes (inode, size, time); reading one may change its access time."""
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path in folder.rglob("*") for stat in [path.stat()]}


PROGRAM = """
import sys
from gemix.cli.app import main
try:
    main()
except SystemExit as end:
    assert end.code in (None, 0), end.code
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
    print(*sorted(name for name in sys.modules if name.startswith("gemix.")), file=sys.stderr)
"""
COMPILED = {"llvmlite", "numba", "scipy", "sklearn", "torch", "transformers", "onnxruntime", "lightgbm", "fasttext"}


def imported_by(*args: str) -> tuple[set[str], set[str]]:
    """Return the packages and the files of gemix that a command imports."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, *args], capture_output=True, text=True, check=True)
    packages, files = run.stderr.splitlines()[-2:]
    return set(packages.split()), set(files.split())
