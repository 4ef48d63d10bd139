"""`gemix sample`: the corpus of a mixture, from labelled shards."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.labels.spill import spill_path
from gemix.mix.mixture import Mixture
from gemix.runtime.atomic import remove_leftovers, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Launcher, map_all
from gemix.sample.budget import Budget, token_budgets
from gemix.sample.files import FORMATS, FileMarker, file_path, read_file_marker, trusted_file
from gemix.sample.gather import Gather, OutputFile
from gemix.sample.report import Report, make_report
from gemix.sample.scatter import Scatter
from gemix.sample.select import Selection, domain_tokens, select_documents

REPORT = "sample.json"
_WORK = ".work"
_SCHEMA: Final = 3  # raised whenever equal input would give other bytes


@dataclass(frozen=True)
class SampleSettings:
    """What decides a sample beside the labelled corpus and the mixture.

    Attributes:
        tokens: size of the sample, counted as the labels' tokens were.
        seed: of the choice of documents and of their order.
        max_epochs: how often a document may be taken.
        format: of the output files, jsonl.zst or parquet.
        file_tokens: tokens of one output file, about; a worker holds one in memory, two or three times over.
        domain_key: key of the domain's number in the output; its name has this key with `_name`.

    """

    tokens: int
    seed: int = 0
    max_epochs: int = 4
    format: str = "jsonl.zst"
    file_tokens: int = 20_000_000
    domain_key: str = "domain"


def sample_corpus(
    mixture: Mixture, shards: Sequence[Shard], labels: Path, out: Path, settings: SampleSettings, *, workers: int = 1
) -> Report:
    """Write the corpus that `mixture` describes to `out`: documents of `shards`, shuffled, with their domains.

    See docs/sample.md for what is chosen and in which order. The result depends on the documents, their labels, the
    mixture and the settings: not on the number of workers, interruptions, or how documents are spread over shards.
    Interrupted, the same call goes on; finished, it only checks.

    Args:
        mixture: Token shares by domain name.
        shards: The labelled corpus.
        labels: Folder of its sidecars and markers.
        out: Folder for the output files; made if it is not there.
        settings: See `SampleSettings`.
        workers: Number of processes; with more than 1 the caller's module must be importable without effect.

    Returns:
        What the sample holds, as in sample.json.

    Raises:
        GemixError: labels missing or outdated, a domain without documents, a corpus that does not fit its labels,
            `out` holds another sample, or cannot be written.

    """
    if settings.format not in FORMATS:
        raise GemixError(f"--format {settings.format}: not one of {', '.join(FORMATS)}")
    if settings.file_tokens < 1:
        raise GemixError(f"--file-tokens must be at least 1, not {settings.file_tokens}")
    refuse_overlap(shards, [labels], out)
    corpus = open_labels(shards, labels)
    if settings.format == "parquet" and "meta" in (settings.domain_key, *corpus.settings.values()):
        raise GemixError("the column meta of the Parquet files holds the other columns; choose another --domain-key")
    try:
        mixture.refuse_other(corpus.identity)
    except ValueError as error:
        raise GemixError(f"{labels}: {error}") from error
    budgets = token_budgets(mixture, corpus.names, domain_tokens(corpus, workers), settings.tokens, settings.max_epochs)
    key = _key(mixture, corpus, settings)
    with folder_lock(out):
        remove_leftovers(out)
        _refuse_other_files(out, key)
        report = _finished(out, key, settings.format)
        if report is None:
            report = _make(out, key, corpus, budgets, settings, workers)
        shutil.rmtree(out / _WORK, ignore_errors=True)
    return report


def _make(
    out: Path, key: str, corpus: LabelledCorpus, budgets: list[Budget], settings: SampleSettings, workers: int
) -> Report:
    """Choose, write, check, and only then write the record that makes a sample complete."""
    selection = _selection(out / _WORK, key, corpus, budgets, settings.seed, workers)
    report = make_report(corpus, budgets, selection, settings.tokens)
    if not report.tokens:
        raise GemixError(f"no document fits the {settings.tokens:,} tokens of the sample:\n{report.describe()}")
    files = -(-report.tokens // settings.file_tokens)
    _check(report, _write(out, key, corpus, budgets, selection, files, settings, workers), out)
    record = _Record(1, key, settings, files, report)
    write_text(out / REPORT, msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")
    return report


class _Record(msgspec.Struct, frozen=True):
    """sample.json: written last, so a sample that has it is complete."""

    schema: Literal[1]
    key: str
    settings: SampleSettings
    files: int
    report: Report


def _write(
    out: Path,
    key: str,
    corpus: LabelledCorpus,
    budgets: list[Budget],
    selection: Selection,
    files: int,
    settings: SampleSettings,
    workers: int,
) -> list[FileMarker]:
    """Do the two passes; what an interrupted call has done is left alone."""
    documents = sum(corpus.markers[shard.name].rows for shard in corpus.shards)
    scatter = Scatter(
        corpus.folder,
        corpus.rates,
        out / _WORK,
        key,
        {budget.domain: budget for budget in budgets},
        selection,
        files,
        settings.seed,
        corpus.settings["text_key"],
        corpus.settings["id_key"],
        settings.domain_key,
    )
    launcher = Launcher(workers)
    map_all(
        scatter,
        {shard: corpus.markers[shard.name].rows for shard in corpus.shards},
        launcher,
        lambda shard, done: None,
        title="sample: read",
        path=lambda shard: shard.path,
        unit="documents",
    )
    gather = Gather(
        out,
        [spill_path(out / _WORK, shard) for shard in corpus.shards],
        key,
        files,
        settings.format,
        scatter.text_key,
        scatter.id_key,
        settings.domain_key,
    )
    markers: list[FileMarker] = []
    map_all(
        gather,
        {OutputFile(number): documents // files + 1 for number in range(files)},
        launcher,
        lambda task, done: markers.append(msgspec.json.decode(done.marker, type=FileMarker)),
        title="sample: write",
        path=lambda task: file_path(out, task.number, settings.format),
        unit="documents",
    )
    return markers


def _key(mixture: Mixture, corpus: LabelledCorpus, settings: SampleSettings) -> str:
    """Return the sha256 of everything that decides the bytes of the sample."""
    parts = {
        "schema": _SCHEMA,
        "weights": {entry.domain: entry.weight for entry in mixture.domains if entry.weight > 0},
        "settings": msgspec.to_builtins(settings),
        "labels": corpus.settings,
        "shards": corpus.contents,
    }
    if mixture.phases:
        parts["phases"] = [phase.model_dump() for phase in mixture.phases]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _selection(
    work: Path, key: str, corpus: LabelledCorpus, budgets: list[Budget], seed: int, workers: int
) -> Selection:
    """Return the selection, from an interrupted call where there is one; scratch files of other samples go."""
    path = _selection_path(work, key)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Selection)
    except (OSError, msgspec.MsgspecError):
        shutil.rmtree(work, ignore_errors=True)
    selection = select_documents(corpus, budgets, seed, workers)
    write_text(path, msgspec.json.encode(selection).decode())
    return selection


def _selection_path(work: Path, key: str) -> Path:
    return work / f"selection-{key}.json"


def _finished(out: Path, key: str, kind: str) -> Report | None:
    """Return the report of a complete sample whose files are all as they were written."""
    try:
        record = msgspec.json.decode((out / REPORT).read_bytes(), type=_Record)
    except (OSError, msgspec.MsgspecError):
        return None
    whole = record.key == key and all(trusted_file(file_path(out, file, kind), key) for file in range(record.files))
    return record.report if whole else None


def _refuse_other_files(out: Path, key: str) -> None:
    """Old and new files side by side would be a corpus that nobody asked for."""
    interrupted = _selection_path(out / _WORK, key).is_file()
    for path in sorted(out.glob("part-*")):
        marker = read_file_marker(path)
        # A file that was cut off from its marker by a kill is written again.
        if not (interrupted if marker is None else marker.key == key):
            raise GemixError(
                f"{out} holds {path.name}, which is no part of this sample (other labels, mixture, settings or "
                "version); choose another folder or empty it"
            )


def _check(report: Report, markers: list[FileMarker], out: Path) -> None:
    for domain in report.domains:
        documents = sum(marker.documents.get(domain.domain, 0) for marker in markers)
        tokens = sum(marker.tokens.get(domain.domain, 0) for marker in markers)
        if (documents, tokens) != (domain.documents, domain.tokens):
            raise GemixError(
                f"{out}: {domain.name!r} has {documents:,} documents and {tokens:,} tokens where {domain.documents:,} "
                f"and {domain.tokens:,} were chosen; a file was damaged meanwhile: empty the folder and run again"
            )
