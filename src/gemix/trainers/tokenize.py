"""`gemix tokenize`: from a labelled corpus to token data by domain, in the layout of a trainer."""

import hashlib
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.labels.markers import sum_lists
from gemix.mix.domain_ids import domain_folder, nearest
from gemix.runtime.atomic import keep_text, remove_leftovers, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Launcher, map_all
from gemix.tokens.tokenizer import end_of_text, load_tokenizer, vocabulary_size
from gemix.trainers.data_index import FILE_NAME, Counts, DataFile, DataIndex, DomainData
from gemix.trainers.gather import NOTES, Gather, PartNote
from gemix.trainers.layouts import LAYOUTS
from gemix.trainers.layouts.base import Layout, Part
from gemix.trainers.scatter import HELD_OUT, Coding, PartTask, Plan, Scatter, spill_path

_WORK: Final = ".work"
_SCHEMA: Final = 1  # raised whenever equal input would give other bytes


@dataclass(frozen=True)
class TokenizeSettings:
    """What decides the data beside the labelled corpus.

    Attributes:
        layout: one of `LAYOUTS`.
        tokenizer: tokenizer.json of the `tokenizers` library.
        end: its end-of-text token; None: the first that it has of the usual ones.
        held_out: share of the documents that is kept from training, by a hash of their text.
        seed: of the order.
        file_bytes: bytes of text of one file, about; a worker holds the tokens of one in memory.

    """

    layout: str
    tokenizer: Path
    end: str | None = None
    held_out: float = 0.0
    seed: int = 0
    file_bytes: int = 1 << 28


def tokenize_corpus(
    shards: Sequence[Shard],
    labels: Path,
    out: Path,
    settings: TokenizeSettings,
    *,
    launcher: Launcher = Launcher(),  # noqa: B008
) -> DataIndex:
    """Write the tokens of every labelled document to the folder of its domain, `out`/d0007/.

    Documents stay whole, with the end-of-text token behind each, in an order by hash of seed, shard and row. The files
    depend on documents, labels and settings: not on the launcher or interruptions. Interrupted, the same call goes on;
    finished, it only checks.

    Args:
        shards: The labelled corpus.
        labels: Folder of its sidecars and markers.
        out: Made if it is not there.
        settings: See `TokenizeSettings`.
        launcher: Who does it; ranks do not, since the second pass needs all of the first.

    Returns:
        What is there, as in index.json.

    Raises:
        GemixError: labels missing or outdated, an unknown layout, no end-of-text token, `out` holds other data, or
            something cannot be read or written.

    """
    layout = _checked(settings, launcher)
    tokenizer = load_tokenizer(settings.tokenizer, settings.end)
    vocabulary = vocabulary_size(tokenizer)
    refuse_overlap(shards, [labels], out)
    corpus = open_labels(shards, labels)
    scatter, gather = _passes(corpus, out, settings, layout, layout.dtype(vocabulary))
    with folder_lock(out):
        _refuse_other_data(out, gather.key)
        folders = _by_folder(_finished(out, gather, scatter.plan) or _write(corpus, scatter, gather, launcher))
        _close(gather, folders)
        index = DataIndex(
            layout=layout.name,
            tokenizer=gather.tokenizer,
            dtype=gather.dtype.name,
            vocabulary=vocabulary,
            end=end_of_text(tokenizer, settings.end),
            partition=corpus.identity,
            seed=settings.seed,
            held_out=settings.held_out,
            key=gather.key,
            domains=_domains(corpus, layout, folders),
        )
        keep_text(out / FILE_NAME, index.to_json())
        shutil.rmtree(out / _WORK, ignore_errors=True)
    return index


def _passes(
    corpus: LabelledCorpus, out: Path, settings: TokenizeSettings, layout: Layout, dtype: np.dtype[Any]
) -> tuple[Scatter, Gather]:
    """Return what is done with every shard, and then with every part of a domain."""
    coding = Coding(settings.tokenizer, file_sha256(settings.tokenizer), settings.end, dtype)
    key, plan = _key(corpus, settings, coding), _plan(corpus, settings)
    keys = corpus.settings["text_key"], corpus.settings["id_key"]
    work = out / _WORK
    scatter = Scatter(corpus.folder, work, key, coding, plan, settings.seed, settings.held_out, *keys)
    spills = [spill_path(work, shard) for shard in corpus.shards]
    return scatter, Gather(out, spills, len(plan.tasks), key, layout, dtype, coding.name)


def _checked(settings: TokenizeSettings, launcher: Launcher) -> Layout:
    if settings.layout not in LAYOUTS:
        hint = nearest(settings.layout, list(LAYOUTS))
        raise GemixError(f"--layout {settings.layout}: not one of {', '.join(LAYOUTS)}{hint}")
    if not 0 <= settings.held_out < 1:
        raise GemixError(f"--held-out is a share from 0 to below 1, not {settings.held_out:g}")
    if settings.file_bytes < 1:
        raise GemixError(f"--file-bytes must be at least 1, not {settings.file_bytes}")
    if launcher.rank is not None:
        raise GemixError("tokenize has two passes, the second over all of the first, so ranks cannot share it: --ray")
    return LAYOUTS[settings.layout]


def _plan(corpus: LabelledCorpus, settings: TokenizeSettings) -> Plan:
    """Return how many parts every domain gets: known before a document is read, so that no worker waits for another."""
    sizes = sum_lists([marker.bytes for marker in corpus.markers.values()])
    held = [size * settings.held_out for size in sizes]
    return Plan(
        [math.ceil(size / settings.file_bytes) for size in sizes],
        [math.ceil(size / settings.file_bytes) for size in held],
    )


def _key(corpus: LabelledCorpus, settings: TokenizeSettings, coding: Coding) -> str:
    """Return the sha256 of everything that decides the bytes of the files."""
    parts = {
        "schema": _SCHEMA,
        "layout": settings.layout,
        "tokenizer": [settings.tokenizer.name, coding.sha256, settings.end],
        "held_out": settings.held_out,
        "seed": settings.seed,
        "file_bytes": settings.file_bytes,
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
            f"{out} holds other token data (other labels, tokenizer or settings); choose another folder or empty it"
        )
    write_text(path, key)


def _finished(out: Path, gather: Gather, plan: Plan) -> dict[PartTask, PartNote]:
    """Return the notes of all parts if the data are complete, else nothing."""
    if not (out / FILE_NAME).is_file():
        return {}
    found = {task: gather.standing(task) for task in plan.tasks}
    return {task: _note(data) for task, data in found.items() if data} if all(found.values()) else {}


def _write(corpus: LabelledCorpus, scatter: Scatter, gather: Gather, launcher: Launcher) -> dict[PartTask, PartNote]:
    """Do the two passes; what an interrupted call has done is left alone."""
    tasks = scatter.plan.tasks
    for folder in {task.folder for task in tasks}:
        remove_leftovers(gather.out / folder)
    map_all(
        scatter,
        {shard: corpus.markers[shard.name].rows for shard in corpus.shards},
        launcher,
        lambda shard, done: None,
        title="tokenize",
        path=lambda shard: shard.path,
        unit="documents",
    )
    notes: dict[PartTask, PartNote] = {}
    map_all(
        gather,
        {task: corpus.documents[task.domain] // scatter.plan.train[task.domain] + 1 for task in tasks},
        launcher,
        lambda task, done: notes.update({task: _note(done.marker)}),
        title="order",
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
    corpus: LabelledCorpus, layout: Layout, folders: Mapping[str, list[tuple[PartTask, PartNote]]]
) -> list[DomainData]:
    domains = []
    for key, name in zip(corpus.keys, corpus.names, strict=True):
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
        domains.append(DomainData(domain=key, name=name, folder=own, files=train, held_out=held, **counts))
    return domains
