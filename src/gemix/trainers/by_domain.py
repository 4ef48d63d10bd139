"""A labelled corpus to the folders of its domains, in two passes; what is there at the end, counted."""

import hashlib
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from gemix.labels.labelled import LabelledCorpus
from gemix.labels.markers import sum_lists
from gemix.labels.spill import spill_path
from gemix.mix.domain_ids import domain_folder
from gemix.runtime.atomic import keep_text, remove_leftovers
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Launcher, map_all
from gemix.trainers.data_index import FILE_NAME, Counts, DataFile, DataIndex, DomainData
from gemix.trainers.gather import NOTES, Gather, PartNote
from gemix.trainers.layouts.base import Layout, Part
from gemix.trainers.scatter import HELD_OUT, Coding, PartTask, Plan, Scatter

_WORK: Final = ".work"
_SCHEMA: Final = 1  # raised whenever equal input would give other bytes


@dataclass(frozen=True)
class Order:
    """Which documents go where.

    Attributes:
        seed: of the order within a domain.
        held_out: share of the documents that is kept from training, by a hash of their text.
        file_bytes: bytes of text of one file, about; a worker holds one in memory.
        shares: of the documents of each domain, K, that are taken: those that come first; None: all.

    """

    seed: int = 0
    held_out: float = 0.0
    file_bytes: int = 1 << 28
    shares: tuple[float, ...] | None = None

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            GemixError: it is.

        """
        if not 0 <= self.held_out < 1:
            raise GemixError(f"--held-out is a share from 0 to below 1, not {self.held_out:g}")
        if self.file_bytes < 1:
            raise GemixError(f"--file-bytes must be at least 1, not {self.file_bytes}")


def write_by_domain(
    corpus: LabelledCorpus,
    out: Path,
    coding: Coding,
    layout: Layout,
    order: Order,
    launcher: Launcher,
    facts: Mapping[str, Any],
    informed: Callable[[Layout, list[bytes]], Layout] = lambda layout, remarks: layout,
) -> DataIndex | None:
    """Write every labelled document to the folder of its domain, `out`/d0007/, and the index of all.

    The files depend on documents, labels, coding, layout and order: not on the launcher or interruptions. Interrupted,
    the same call goes on; finished, it only checks.

    Args:
        corpus: The labelled corpus.
        out: Made if it is not there.
        coding: What is written of a document.
        layout: How.
        order: Where.
        launcher: Who does it; a rank does its share of the first pass, a call without one all that is left.
        facts: Fields of the index that are known before.
        informed: Returns the layout that knows what was remarked on the documents of each shard.

    Returns:
        What is there, as in index.json; None for a rank.

    Raises:
        GemixError: `out` holds other data, or something cannot be read or written.

    """
    key, plan, work = _key(corpus, coding, layout, order), _plan(corpus, order), out / _WORK
    keys = corpus.settings["text_key"], corpus.settings["id_key"]
    scatter = Scatter(corpus.folder, work, key, coding, plan, order.seed, order.held_out, *keys)
    spills = [spill_path(work, shard) for shard in corpus.shards]
    gather = Gather(out, spills, len(plan.tasks), key, layout, coding.dtype, coding.name)
    rank = launcher.rank
    with folder_lock(out, None if rank is None else f"{key} by {rank.size}"):
        _refuse_other_data(out, key)
        notes = _finished(out, gather, plan)
        remarks = [] if notes else _read(corpus, scatter, out, launcher)
        if rank is not None:
            return None
        notes = notes or _write(corpus, plan, replace(gather, layout=informed(layout, remarks)), launcher)
        folders = _by_folder(notes)
        _close(gather, folders)
        index = DataIndex(
            layout=layout.name,
            tokenizer=coding.name,
            partition=corpus.identity,
            seed=order.seed,
            held_out=order.held_out,
            key=key,
            domains=_domains(corpus, layout, folders, plan.shares),
            **facts,
        )
        keep_text(out / FILE_NAME, index.to_json())
        shutil.rmtree(work, ignore_errors=True)
    return index


def _plan(corpus: LabelledCorpus, order: Order) -> Plan:
    """Return how many parts every domain gets: known before a document is read, so that no worker waits for another."""
    shares = order.shares or [1.0] * len(corpus.keys)
    whole = sum_lists([marker.bytes for marker in corpus.markers.values()])
    sizes = [size * share for size, share in zip(whole, shares, strict=True)]
    held = [size * order.held_out for size in sizes]
    train, kept = ([math.ceil(size / order.file_bytes) for size in part] for part in (sizes, held))
    return Plan(train, kept, shares)


def _key(corpus: LabelledCorpus, coding: Coding, layout: Layout, order: Order) -> str:
    """Return the sha256 of everything that decides the bytes of the files."""
    parts = {
        "schema": _SCHEMA,
        "layout": layout.name,
        "coding": coding.identity,
        "order": msgspec.to_builtins(order),
        "labels": corpus.settings,
        "names": corpus.names,
        "shards": corpus.contents,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _refuse_other_data(out: Path, key: str) -> None:
    """Old and new files side by side would be data that nobody asked for."""
    path = out / NOTES / "key"
    found = path.read_text() if path.is_file() else key
    if found != key or ((out / FILE_NAME).exists() and not path.is_file()):
        raise GemixError(
            f"{out} holds other data (of other labels, tokenizer or settings); choose another folder or empty it"
        )
    keep_text(path, key)


def _finished(out: Path, gather: Gather, plan: Plan) -> dict[PartTask, PartNote]:
    """Return the notes of all parts if the data are complete, else nothing."""
    if not (out / FILE_NAME).is_file():
        return {}
    found = {task: gather.standing(task) for task in plan.tasks}
    return {task: _note(data) for task, data in found.items() if data} if all(found.values()) else {}


def _read(corpus: LabelledCorpus, scatter: Scatter, out: Path, launcher: Launcher) -> list[bytes]:
    """Do our share of the first pass, but for what stands; return the remarks on the shards, in order."""
    if launcher.rank is None:
        for folder in {task.folder for task in scatter.plan.tasks}:
            remove_leftovers(out / folder)
    remarks: dict[str, bytes] = {}
    map_all(
        scatter,
        launcher.share({shard: corpus.markers[shard.name].rows for shard in corpus.shards}),
        launcher,
        lambda shard, done: remarks.update({shard.name: done.marker}),
        title="read",
        path=lambda shard: shard.path,
        unit="documents",
    )
    return [remarks[shard.name] for shard in corpus.shards if shard.name in remarks]


def _write(corpus: LabelledCorpus, plan: Plan, gather: Gather, launcher: Launcher) -> dict[PartTask, PartNote]:
    """Do the second pass, but for what an interrupted call has done."""
    notes: dict[PartTask, PartNote] = {}
    map_all(
        gather,
        {task: corpus.documents[task.domain] // plan.train[task.domain] + 1 for task in plan.tasks},
        launcher,
        lambda task, done: notes.update({task: _note(done.marker)}),
        title="write",
        path=lambda task: gather.out / task.folder,
        unit="documents",
    )
    return notes


def _note(data: bytes) -> PartNote:
    return msgspec.json.decode(data, type=PartNote)


def _by_folder(notes: Mapping[PartTask, PartNote]) -> dict[str, list[tuple[PartTask, PartNote]]]:
    """Return the parts that hold documents, in order, by their folder."""
    found: dict[str, list[tuple[PartTask, PartNote]]] = {}
    for task, note in sorted(notes.items(), key=lambda pair: pair[0].number):
        if note.documents:
            found.setdefault(task.folder, []).append((task, note))
    return found


def _close(gather: Gather, folders: Mapping[str, list[tuple[PartTask, PartNote]]]) -> None:
    """Write what stands once in a folder."""
    for folder, found in folders.items():
        names = [gather.layout.part(task.part) for task, _ in found]
        parts = [
            Part(name, note.documents, next(iter(note.files.values())).size)
            for name, (_, note) in zip(names, found, strict=True)
        ]
        for file, text in gather.layout.closing(parts, gather.dtype).items():
            keep_text(gather.out / folder / file, text)


def _domains(
    corpus: LabelledCorpus,
    layout: Layout,
    folders: Mapping[str, list[tuple[PartTask, PartNote]]],
    shares: Sequence[float],
) -> list[DomainData]:
    domains = []
    for key, name, share in zip(corpus.keys, corpus.names, shares, strict=True):
        own = domain_folder(key)
        train, held = (
            [
                DataFile(
                    path=f"{folder}/{layout.part(task.part)}",
                    documents=note.documents,
                    tokens=note.tokens,
                    bytes=note.bytes,
                )
                for task, note in folders.get(folder, ())
            ]
            for folder in (own, f"{HELD_OUT}/{own}")
        )
        counts = {what: sum(getattr(file, what) for file in train) for what in Counts.model_fields}
        domains.append(DomainData(domain=key, name=name, folder=own, share=share, files=train, held_out=held, **counts))
    return domains
