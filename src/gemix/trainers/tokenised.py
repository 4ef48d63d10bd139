"""A corpus that is tokenised already: Megatron's .bin and .idx, or .npy with offsets; one label a document."""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.formats import Shard
from gemix.corpus.rows import Batch
from gemix.labels.labelled import LabelledCorpus, domains_of
from gemix.labels.markers import Marker
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileFingerprint, file_sha256, file_stat

_MAGIC: Final = b"MMIDIDX\x00\x00"
_TYPES: Final[dict[int, np.dtype[Any]]] = {
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    8: np.dtype("<u2"),
}  # Megatron's numbers
_BATCH_TOKENS: Final = 1 << 23


@dataclass(frozen=True)
class TokenFile:
    """Tokens of n documents, and where each begins and ends.

    Attributes:
        tokens: all of them, mapped into memory.
        begins: (n,) int64, places in `tokens`, ascending.
        ends: (n,) int64, exclusive.

    """

    tokens: NDArray[Any]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document, (n,)."""
        return self.ends - self.begins


def token_files(inputs: Sequence[str]) -> list[Shard]:
    """Return the tokenised files that these files and folders hold, sorted by name; nothing if they hold none.

    Raises:
        GemixError: some inputs hold such files and others do not, or two files have one name.

    """
    found: dict[Path, Path] = {}  # with its folder
    without = []
    for item in inputs:
        path = Path(item)
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        mine = [file for file in inside if _side(file) is not None]
        found |= {file: path if path.is_dir() else path.parent for file in mine}
        if not mine:
            without.append(item)
    if found and without:
        raise GemixError(f"{without[0]} holds no tokenised files (.bin with .idx, .npy with .offsets.npy), others do")
    shards = sorted(Shard(str(path.relative_to(root).with_suffix("")), path) for path, root in found.items())
    for one, other in pairwise(shards):
        if one.name == other.name:
            raise GemixError(f"{one.path} and {other.path} have one name, by which their labels are found: move one")
    return shards


def _side(path: Path) -> Path | None:
    """Return the file beside tokens that says where documents are; None for what is no tokens."""
    side = {".bin": path.with_suffix(".idx"), ".npy": path.with_suffix(".offsets.npy")}.get(path.suffix)
    return side if side is not None and side.is_file() and path.is_file() else None


def open_tokens(path: Path) -> TokenFile:
    """Map a tokenised file into memory.

    Raises:
        GemixError: it cannot be read, or its index does not fit.

    """
    side = _side(path)
    try:
        if side is None:
            raise ValueError("no file beside it says where documents are")
        found = _open_megatron(path, side) if path.suffix == ".bin" else _open_npy(path, side)
        if (found.lengths < 0).any() or (len(found.ends) and found.ends.max() > len(found.tokens)):
            raise ValueError(f"{side.name} names places that are not in it")
    except (OSError, ValueError, struct.error) as error:
        raise GemixError(f"cannot read the tokens of {path}: {error}") from error
    return found


def _open_megatron(path: Path, side: Path) -> TokenFile:
    index = np.memmap(side, np.uint8, "r")
    if bytes(index[:9]) != _MAGIC:
        raise ValueError(f"{side.name} is no index of Megatron's")
    _, code, n, bounds = struct.unpack("<QBQQ", bytes(index[9:34]))
    kind: np.dtype[Any] | None = _TYPES.get(code)
    if kind is None:
        raise ValueError(f"{side.name} names the type {code}, which is none of tokens")
    lengths = np.frombuffer(index, "<i4", n, 34).astype(np.int64)
    begins = np.frombuffer(index, "<i8", n, 34 + 4 * n) // kind.itemsize
    first = np.frombuffer(index, "<i8", bounds, 34 + 12 * n)  # the sequences of document i: first[i] to first[i + 1]
    last = np.maximum(first[1:] - 1, 0)
    whole = first[1:] > first[:-1]
    ends = np.where(whole, (begins + lengths)[last] if n else 0, 0)
    starts = np.where(whole, begins[np.minimum(first[:-1], max(n - 1, 0))] if n else 0, 0)
    if (ends - starts).sum() != lengths.sum():
        raise ValueError("the sequences of a document do not lie side by side")
    return TokenFile(np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind), starts, ends)


def _open_npy(path: Path, side: Path) -> TokenFile:
    tokens, offsets = (np.load(file, mmap_mode="r", allow_pickle=False) for file in (path, side))
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu" or offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        raise ValueError("tokens and offsets are rows of whole numbers")
    bounds = np.asarray(offsets, np.int64)
    return TokenFile(tokens, bounds[:-1], bounds[1:])


def read_labels(folder: Path, shard: Shard, count: int, domains: int) -> NDArray[np.int64]:
    """Return the domain of every document, (count,), -1 for none: NAME.labels.npy, or `domain` of NAME.parquet.

    Raises:
        GemixError: neither file is there, or it has other documents or domains.

    """
    plain, table = folder / f"{shard.name}.labels.npy", folder / f"{shard.name}.parquet"
    path = plain if plain.is_file() else table
    try:
        if path == plain:
            labels = np.load(path, allow_pickle=False)
        else:
            column = pq.read_table(path, columns=["domain"])["domain"]
            labels = column.fill_null(-1).to_numpy()
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise ValueError(f"{count:,} documents need as many whole numbers, not {labels.dtype} {labels.shape}")
        found = labels.astype(np.int64)
        if count and not -1 <= found.min() <= found.max() < domains:
            raise ValueError(f"labels are 0 to {domains - 1}, or -1, not {found.min()} to {found.max()}")
    except FileNotFoundError as error:
        raise GemixError(f"no labels of {shard.path}: neither {plain} nor {table} is there") from error
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise GemixError(f"{path}, the labels of {shard.path}: {error}") from error
    return found


def open_tokenised(shards: Sequence[Shard], folder: Path) -> tuple[LabelledCorpus, np.dtype[Any]]:
    """Return tokenised files with their labels as a labelled corpus, and the type of their tokens.

    Raises:
        GemixError: a file or its labels cannot be read, types differ, or there is no table of the domains.

    """
    table, _ = domains_of(folder)
    k = len(table.keys)
    markers: dict[str, Marker] = {}
    kinds: dict[np.dtype[Any], Path] = {}
    for shard in shards:
        file = open_tokens(shard.path)
        kinds.setdefault(file.tokens.dtype, shard.path)
        labels = read_labels(folder, shard, len(file.lengths), k)
        good = (labels >= 0) & (file.lengths > 0)
        counts = np.bincount(labels[good], minlength=k)
        sizes = np.bincount(labels[good], file.lengths[good], minlength=k).astype(np.int64)
        markers[shard.name] = _marker(shard, counts, sizes, file, labels)
    if len(kinds) > 1:
        raise GemixError(
            f"tokens of one type are split, not of {' and '.join(f'{t} in {p}' for t, p in kinds.items())}"
        )
    documents, tokens = (
        np.sum([getattr(marker, what) for marker in markers.values()], axis=0).tolist()
        for what in ("documents", "tokens")
    )
    corpus = LabelledCorpus(folder, list(shards), markers, table.names, documents, tokens, table.identity)
    return corpus, next(iter(kinds))


def _marker(
    shard: Shard, documents: NDArray[np.int64], tokens: NDArray[np.int64], file: TokenFile, labels: NDArray[np.int64]
) -> Marker:
    """Return what is known of a file. Of its tokens that are their number: they are not read before they are split."""
    side, stat = _side(shard.path), file_stat(shard.path)
    content = f"{stat.size} {file_sha256(side) if side is not None else ''}"
    nothing = [0] * len(documents)
    return Marker(
        schema=4,
        input=FileFingerprint(shard.path.name, stat.size, stat.mtime_ns, hashlib.sha256(content.encode()).hexdigest()),
        model="",
        settings={"text_key": "", "id_key": ""},
        rows=len(labels),
        bad=BadRows(),
        documents=documents.tolist(),
        tokens=tokens.tolist(),
        bytes=(tokens * file.tokens.dtype.itemsize).tolist(),
        confidence=nothing,
        confidence_squares=nothing,
        sha256=hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest(),
    )


@dataclass(frozen=True)
class GivenTokens:
    """What is written of a document that is tokenised already: its tokens, as they are; picklable.

    Attributes:
        name: fingerprint of the tokenizer, "" where nobody says which it was.
        domains: their number.
        dtype: of the tokens that are written.

    """

    name: str
    domains: int
    dtype: np.dtype[Any]

    @property
    def identity(self) -> list[str | None]:
        """What decides the bytes of a document."""
        return [self.name, self.dtype.str]

    def read(self, shard: Shard, labels: Path, keys: tuple[str, str]) -> Iterator[tuple[Batch, pa.Table]]:
        """Yield documents, their tokens in the place of a text, beside their labels."""
        file = open_tokens(shard.path)
        domains = read_labels(labels, shard, len(file.lengths), self.domains)
        labelled = (domains >= 0) & (file.lengths > 0)
        groups = np.cumsum(file.lengths) // _BATCH_TOKENS
        bounds = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(domains)] if len(domains) else [0]
        for begin, end in pairwise(bounds):
            rows = range(begin, end)
            texts = [self._bytes(file, i) if labelled[i] else None for i in rows]
            missing = pa.array([None if labelled[i] else "no label" for i in rows], pa.string())
            ids = pa.array([str(i) for i in rows], pa.string())
            columns = {"domain": domains[begin:end], "tokens": file.lengths[begin:end]}
            yield Batch(begin + 1, ids, pa.array(texts, pa.large_binary()), missing), pa.table(columns)

    def documents(self, batch: Batch) -> Iterator[tuple[int | None, bytes]]:
        """Yield the tokens of the good rows, and how many they are."""
        for document in batch.good_texts.to_pylist():
            yield len(document) // self.dtype.itemsize, document

    def remarks(self) -> bytes:
        """Return nothing."""
        return b""

    def _bytes(self, file: TokenFile, i: int) -> bytes:
        tokens = file.tokens[file.begins[i] : file.ends[i]]
        found = tokens.astype(self.dtype)
        if tokens.dtype.itemsize > self.dtype.itemsize and not np.array_equal(found, tokens):
            raise GemixError(f"document {i} has tokens that {self.dtype} cannot hold: give the --tokenizer they are of")
        return found.tobytes()
