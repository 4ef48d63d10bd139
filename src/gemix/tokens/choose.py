"""The tokenizer of a run: the user's, by file or by its name on Hugging Face, or one trained on the seed sample."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gemix.runtime.atomic import atomic_path
from gemix.tokens.counter import TokenCounter, read_tokenizer

FILE_NAME: Final = "tokenizer.json"
VOCABULARY: Final = 32_768
_SAMPLE: Final = 1 << 25  # bytes of text that are enough for such a vocabulary
_SPACES: Final = 32  # the longest indentation that is learned
_TIMES: Final = 1000


def write_tokenizer(out: Path, spec: str | None, texts: Iterable[str]) -> TokenCounter:
    """Write the tokenizer of a run to `out` and return its counter.

    Args:
        out: the file to write.
        spec: a tokenizer.json, which is copied byte for byte, or a name on Hugging Face; None: train one.
        texts: windows of documents in a random order; so many are used as make 32 MB.

    Raises:
        GemixError: the tokenizer cannot be had, is none, or cannot be written.

    """
    if spec is None:
        from gemix.tokens.tokenizer import train_tokenizer

        data = train_tokenizer(_sample(texts), VOCABULARY).to_str(pretty=True).encode()
    else:
        TokenCounter(spec)  # refuses what is none
        data = read_tokenizer(spec)
    with atomic_path(out) as tmp:
        tmp.write_bytes(data)
    return TokenCounter(out)


def _sample(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts, and the runs of white space that windows have lost: whole documents have them, code above all."""
    read = 0
    for text in texts:
        yield text
        read += len(text.encode())
        if read >= _SAMPLE:
            break
    runs = ["\n" * n for n in (1, 2, 3)] + ["\t" * n for n in range(1, 9)] + [" " * n for n in range(2, _SPACES + 1)]
    runs += ["\n" + run for run in runs[3:]]
    for run in runs:
        yield from [f".{run}."] * _TIMES
