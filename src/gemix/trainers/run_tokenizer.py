"""The tokenizer that the tokens of a labelled corpus were counted with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gemix.corpus.shards import Shard
from gemix.labels.markers import marker_path, read_marker
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.tokens.counter import DIGITS

_FILE: Final = "tokenizer.json"


def run_tokenizer(shards: Sequence[Shard], labels: Path) -> Path:
    """Return the tokenizer.json in the folder of the labels or beside it, if it is what counted their tokens.

    Raises:
        GemixError: the labels count otherwise, or the file is not there.

    """
    marker = read_marker(marker_path(labels, shards[0].name)) if shards else None
    counter = marker.settings.get("tokenizer") if marker else None
    for path in (labels / _FILE, labels.parent / _FILE):
        if path.is_file() and counter == file_sha256(path)[:DIGITS]:
            return path
    raise GemixError(
        f"which tokenizer? the labels in {labels} count by {counter or 'nothing that is known'}, and no "
        f"{_FILE} of that is there or beside them: --tokenizer FILE"
    )
