"""Any sentence-transformers model, on a GPU where there is one."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gemix.embed.base import Vectors, needs, unit_rows
from gemix.runtime.errors import GemixError

BATCH = 32
# What a model makes of this text stands for its weights, tokenizer, pooling and number format in the fingerprint.
PROBE = [
    "The quick brown fox jumps over the lazy dog; 3.14159 is not 22/7.",
    "Größe, naïveté, Ελλάδα, 東京, عربى: def f(x): return x ** 2  # code",
    " ".join(f"word{i}" for i in range(600)),
]


class SentenceTransformerModel:
    """A model by name (downloaded once by its library) or by the path of its folder (no network).

    Text is cut at the model's own maximum length. Numbers are bfloat16 where the GPU or the CPU computes in it, else
    float32. Code that comes with a model is never run.
    """

    def __init__(self, model: str, *, workers: int = 1) -> None:
        """Load the model; `workers` is the number of CPU threads, set for the whole process.

        Raises:
            GemixError: the extra is missing, or the model cannot be loaded.

        """
        with needs("sentence-transformers"):
            import sentence_transformers
            import torch
        self.name = f"sentence-transformers:{model}"
        torch.set_num_threads(workers)
        path = Path(model).expanduser()
        local = path.is_dir()
        device = sentence_transformers.util.get_device_name()
        if device == "cuda":
            half = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            half = device == "cpu" and cpu_has_bf16()
        try:
            loaded = sentence_transformers.SentenceTransformer(
                str(path) if local else model, device=device, trust_remote_code=False, local_files_only=local
            )
        except Exception as error:  # the library has no error class of its own
            raise GemixError(f"{self.name} cannot be loaded: {error}") from error
        self._model = loaded.to(torch.bfloat16 if half else torch.float32).eval()
        self._facts = {
            "device": device,
            "numbers": "bfloat16" if half else "float32",
            "max_tokens": loaded.max_seq_length,
            "batch": BATCH,
            "torch": str(torch.__version__),
            "sentence-transformers": sentence_transformers.__version__,
        }

    def fingerprint(self) -> dict[str, Any]:
        """Return device, number format, versions, and the hash of what the model makes of a fixed text."""
        probe = hashlib.sha256(self._encode(PROBE).tobytes()).hexdigest()
        return {"name": self.name, **self._facts, "probe_sha256": probe}

    def prepare(self, documents: pa.Table) -> None:
        """Do nothing: the model is fixed."""

    def embed(self, documents: pa.Table) -> Vectors:
        """Return unit rows, float32 (n, d), of the column `text`."""
        return self._encode(documents["text"].to_pylist())

    def _encode(self, texts: list[str]) -> Vectors:
        # Sorts by length and batches inside this call only: batches depend on the texts and nothing else.
        return unit_rows(np.asarray(self._model.encode(texts, batch_size=BATCH, show_progress_bar=False)))


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the CPU multiplies bfloat16 natively (AVX512-BF16, AMX, Arm); False where Linux does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
