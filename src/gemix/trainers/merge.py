"""Token data of merged domains: the files of their parts under other names, nothing tokenised again."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from errno import EMLINK, ENOTSUP, EPERM, EXDEV
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from gemix.mix.domain_ids import domain_folder
from gemix.mix.levels import read_nodes
from gemix.mix.partition import Partition, read_partition
from gemix.runtime.atomic import atomic_path, keep_text
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import folder_lock
from gemix.trainers.data_index import FILE_NAME, DataFile, DataIndex, DomainData, read_index
from gemix.trainers.layouts import LAYOUTS
from gemix.trainers.layouts.base import Layout, Part
from gemix.trainers.scatter import HELD_OUT

_NO_LINKS: Final = (EXDEV, EMLINK, EPERM, ENOTSUP)


def merge_data(data: Path, merged: Path, leaves: Path, out: Path) -> DataIndex:
    """Write token data of a coarser partition: hard links to files of the finer one, copies where there are no links.

    Args:
        data: Token data of the domains.
        merged: Table of the coarser partition, as merges of a taxonomy make it.
        leaves: Table of the domains with the column `node`, the domain that each counts as.
        out: Made if it is not there. Called again it only checks.

    Returns:
        What is there, as in index.json. Files of a domain lie in the order of its parts.

    Raises:
        GemixError: the data are no tokens or of other domains, `out` holds other data, or something cannot be written.

    """
    index = read_index(data)
    if index.layout not in LAYOUTS:
        raise GemixError(f"{data} holds no token data but {index.layout}: split the text again by the merged labels")
    try:
        (fine, nodes), coarse = read_nodes(leaves), read_partition(merged)
    except (OSError, ValueError) as error:
        raise GemixError(f"which domains are merged? {error}") from error
    if fine.identity != index.partition or fine.keys != [domain.domain for domain in index.domains]:
        raise GemixError(f"{leaves} is of other domains than {data}")
    layout, key = LAYOUTS[index.layout], hashlib.sha256(f"{index.key} {nodes}".encode()).hexdigest()
    if out.resolve() == data.resolve():
        raise GemixError(f"--out {out} is where the data of the single domains lie: choose another folder")
    with folder_lock(out):
        if (out / FILE_NAME).exists() and read_index(out).key != key:
            raise GemixError(f"{out} holds other data; choose another folder or empty it")
        domains = [_merged(data, out, index, nodes, key_, name, layout) for key_, name in _named(coarse)]
        result = index.model_copy(update={"partition": coarse.identity, "key": key, "domains": domains})
        keep_text(out / FILE_NAME, result.to_json())
    return result


def _named(table: Partition) -> list[tuple[str, str]]:
    return list(zip(table.keys, table.names, strict=True))


def _merged(
    data: Path, out: Path, index: DataIndex, nodes: Sequence[str], key: str, name: str, layout: Layout
) -> DomainData:
    """Link the files of all domains that count as one, and return what it has."""
    parts = [domain for domain, node in zip(index.domains, nodes, strict=True) if node == key]
    folder = domain_folder(key)
    files = _link(data, out, folder, [file for part in parts for file in part.files], layout, index)
    held = _link(data, out, f"{HELD_OUT}/{folder}", [file for part in parts for file in part.held_out], layout, index)
    sums = {what: sum(getattr(part, what) for part in parts) for what in ("documents", "tokens", "bytes")}
    whole = sum(part.documents / part.share for part in parts if part.share)
    share = min(1.0, sums["documents"] / whole) if whole else max(part.share for part in parts)
    return DomainData(domain=key, name=name, folder=folder, share=share, files=files, held_out=held, **sums)


def _link(
    data: Path, out: Path, folder: str, files: Sequence[DataFile], layout: Layout, index: DataIndex
) -> list[DataFile]:
    found, parts = [], []
    for number, file in enumerate(files):
        old, new = PurePosixPath(file.path), layout.part(number)
        for source, name in zip(layout.files(old.name), layout.files(new), strict=True):
            _put(data / old.parent / source, out / folder / name)
        size = (out / folder / layout.files(new)[0]).stat().st_size
        parts.append(Part(new, file.documents, size))
        found.append(file.model_copy(update={"path": f"{folder}/{new}"}))
    if parts:
        for closing, text in layout.closing(parts, np.dtype(index.dtype)).items():
            keep_text(out / folder / closing, text)
    return found


def _put(source: Path, path: Path) -> None:
    """Make `path` the same file as `source`, or a copy on another disk."""
    try:
        if path.exists():
            if path.samefile(source) or _is_copy(source, path):
                return
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise GemixError(f"cannot write {path}: {error.strerror or error}") from error
        with atomic_path(path) as tmp:
            shutil.copyfile(source, tmp)
            shutil.copystat(source, tmp)


def _is_copy(source: Path, path: Path) -> bool:
    one, other = source.stat(), path.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
