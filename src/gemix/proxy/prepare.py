"""A labelled corpus becomes the data of proxies: the folder of `gemix.proxy.dataset`, in bounded memory.

Everything is made in OUT/.work; its parts are moved to their places when they are complete. data.json, without which
the folder does not count, comes last.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from gemix.corpus.check import check_shards
from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.labels.reading import beside
from gemix.labels.spill import spill_path
from gemix.proxy.dataset import Contract, Part, ProxyData, part_path, read_data
from gemix.proxy.tokenise_corpus import Coder, DomainTask, Gather, Parts, Scatter, part, read_target, write_set
from gemix.proxy.tokenised import fingerprint
from gemix.proxy.valid_set import ValidSet
from gemix.runtime.atomic import atomic_path, remove_leftovers, write_text
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.fingerprint import content_hash, file_sha256
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Launcher, map_all
from gemix.runtime.records import read_record
from gemix.runtime.storage import is_remote
from gemix.runtime.version import __version__
from gemix.tokens.counter import TokenCounter
from gemix.tokens.tokenizer import load_tokenizer

_WORK = ".work"
_SCHEMA: Final = 4  # raised whenever equal input would give other bytes
_PLACES = ("train", "valid", "tokenizer.json")


@dataclass(frozen=True)
class PrepareSettings:
    """What decides the data beside the labelled corpus.

    Attributes:
        tokenizer: the tokenizer.json that counted the labels' tokens; None: the one in the folder of the run.
        end: the end-of-text token of the file; None: the usual one that it has.
        held_out: share of the documents, by a hash of the text, that nothing is trained on.
        valid_tokens: of a validation set, at most, but for one document.

    """

    tokenizer: Path | None = None
    end: str | None = None
    held_out: float = 0.05
    valid_tokens: int = 100_000


def prepare_data(
    shards: Sequence[Shard],
    labels: Path,
    out: Path,
    settings: PrepareSettings,
    targets: Mapping[str, Sequence[Shard]] | None = None,
    launcher: Launcher | None = None,
) -> ProxyData | None:
    """Write the data of proxies to `out` and open them; if they are there already, only open them.

    The files depend on documents, labels and settings: not on the launcher or interruptions. Interrupted, the same call
    goes on.

    Every domain is a part of the training text, and its held-out documents are a validation set of the same name.

    Args:
        shards: the labelled corpus.
        labels: folder of its sidecars and markers.
        out: folder for the data; made if it is not there.
        settings: see `PrepareSettings`.
        targets: further validation sets by name: texts of any files, with the columns that the labels' corpus has.
        launcher: who does it; by default this process. A rank does its share of the reading, one without the rest.

    Returns:
        The data; None for a rank.

    Raises:
        GemixError: labels are missing or outdated, a domain has no documents or none that is held out, the tokenizer
            cannot be used, or `out` holds something else or cannot be written.

    """
    if is_remote(out):
        raise GemixError(f"--out {out}: proxies read their tokens from a local disk; choose a local folder")
    if settings.valid_tokens < 1 or not 0 < settings.held_out < 1:
        raise GemixError("validation needs at least one token, and a held-out share between 0 and 1")
    targets = targets or {}
    refuse_overlap([*shards, *(shard for files in targets.values() for shard in files)], [labels], out)
    corpus = open_labels(shards, labels)
    _check_names(corpus, targets)
    settings = replace(settings, tokenizer=_tokenizer(corpus, settings.tokenizer))
    key = _key(corpus, settings, targets)
    launcher = launcher or Launcher()
    rank = launcher.rank
    with folder_lock(out, None if rank is None else f"{key} by {rank.size}"):
        remove_leftovers(out)
        if not _is_made(out, key):
            check_shards([shard for files in targets.values() for shard in files], corpus.settings["text_key"])
            _clear(out)
            coder = Coder(_tokenizer(corpus, settings.tokenizer), settings.end)
            unlabelled = _read(corpus, out / _WORK / "shards", settings, coder, key, launcher)
            if rank is None:
                _make(corpus, out, settings, targets, key, coder, unlabelled, launcher)
    return None if rank is not None else read_data(out)


def _read(
    corpus: LabelledCorpus, work: Path, settings: PrepareSettings, coder: Coder, key: str, launcher: Launcher
) -> int:
    """Do our share of the first pass, but for what stands; return the rows without a label."""
    keys = corpus.settings["text_key"], corpus.settings["id_key"]
    scatter = Scatter(
        corpus.folder, work, key, coder, len(corpus.names), settings.held_out, settings.valid_tokens, *keys
    )
    unlabelled: list[int] = []
    map_all(
        scatter,
        launcher.share({shard: corpus.markers[shard.name].rows for shard in corpus.shards}),
        launcher,
        lambda _, done: unlabelled.append(int(done.marker)),
        title="tokenise",
        path=lambda shard: shard.path,
        unit="documents",
    )
    return sum(unlabelled)


# The parts of data.json, one after another.
def _make(
    corpus: LabelledCorpus,
    out: Path,
    settings: PrepareSettings,
    targets: Mapping[str, Sequence[Shard]],
    key: str,
    coder: Coder,
    unlabelled: int,
    launcher: Launcher,
) -> None:
    """Make all parts in the work folder, check them, move them to their places."""
    work, count = out / _WORK, len(corpus.names)
    write_text(work / "tokenizer.json", load_tokenizer(coder.path, settings.end).to_str(pretty=True))
    for kind in ("train", "valid"):
        remove_leftovers(work / kind)
    spills = [spill_path(work / "shards", shard) for shard in corpus.shards]
    parts: dict[int, Parts] = {}
    map_all(
        Gather(work, spills, key, count, settings.valid_tokens, coder.kind),
        {DomainTask(k, name): max(corpus.documents[k], 1) for k, name in enumerate(corpus.keys)},
        launcher,
        lambda task, done: parts.update({task.number: msgspec.json.decode(done.marker, type=Parts)}),
        title="write",
        path=lambda task: part_path(out, "train", task.number),
        unit="documents",
    )
    domains = [part(name, parts[k].train) for k, name in enumerate(corpus.keys)]
    valid = [part(name, parts[k].valid) for k, name in enumerate(corpus.keys)]
    bad: dict[str, int] = {}
    for v, (name, files) in enumerate(targets.items(), start=count):
        found = ValidSet(settings.valid_tokens)
        bad[name] = read_target(name, files, corpus.settings, coder, found)
        with atomic_path(part_path(work, "valid", v)) as tmp, open(tmp, "wb") as file:
            valid.append(part(name, write_set(found, file)))
    _check(domains, valid, settings)
    paths = [part_path(work, "train", k) for k in range(len(domains))]
    paths += [part_path(work, "valid", v) for v in range(len(valid))]
    contract = Contract(
        vocabulary=coder.vocabulary,
        end=coder.end,
        domains=domains,
        valid=valid,
        fingerprint=fingerprint(coder.vocabulary, coder.end, domains, valid, list(map(file_sha256, paths))),
        made={
            "key": key,
            "gemix": __version__,
            "partition": corpus.identity,
            "tokenizer": corpus.settings["tokenizer"],
            "settings": _jsonable(settings),
            "rows": corpus.rows,
            "rows_without_label": unlabelled,
            "bad_rows_of_targets": bad,
        },
    )
    try:
        for name in _PLACES:
            os.replace(work / name, out / name)
    except OSError as error:
        raise GemixError(f"cannot write {error.filename2 or error.filename}: {error.strerror}") from error
    write_text(out / "data.json", contract.to_json())
    shutil.rmtree(work, ignore_errors=True)


def _tokenizer(corpus: LabelledCorpus, given: Path | None) -> Path:
    """Return the tokenizer.json that counted the tokens of the labels.

    Raises:
        GemixError: it is not there, or another is given.

    """
    path = given or beside(corpus.folder)
    if TokenCounter(path).fingerprint != corpus.settings["tokenizer"]:
        raise GemixError(
            f"the tokens of {corpus.folder} were counted by another tokenizer than {path}: count them again by it "
            f"(`gemix run --out RUN --tokenizer {path}`, or `gemix label ... --tokenizer {path}`), or give theirs"
        )
    return path


def _check(domains: list[Part], valid: list[Part], settings: PrepareSettings) -> None:
    faults = [f"{part.name!r} has no training text" for part in domains if not part.tokens]
    faults += [f"{part.name!r} has no validation text" for part in valid if not part.tokens]
    if faults:
        raise GemixError(
            f"with {settings.held_out:.3g} of the documents held out\n  {first_faults(faults)}\n"
            "Give more of the corpus, or hold out another share: --held-out (copies of a text are on one side; where a "
            "domain is copies of a few, remove these)"
        )


def _check_names(corpus: LabelledCorpus, targets: Mapping[str, Sequence[Shard]]) -> None:
    empty = [repr(name) for name, n in zip(corpus.names, corpus.documents, strict=True) if not n]
    if empty:
        raise GemixError(f"domains without documents in this input: {', '.join(empty)}; give more of the corpus")
    for name in targets:
        if name in corpus.keys:
            raise GemixError(f"--valid {name}: a domain has this name, and a validation set of its own")


def _key(corpus: LabelledCorpus, settings: PrepareSettings, targets: Mapping[str, Sequence[Shard]]) -> str:
    """Return the sha256 of everything that decides the data."""
    parts = {
        "schema": _SCHEMA,
        "settings": _jsonable(settings),
        "domains": corpus.keys,
        "labels": corpus.settings,
        "shards": corpus.contents,
        "targets": [[name, [content_hash(shard.path) for shard in files]] for name, files in targets.items()],
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _jsonable(settings: PrepareSettings) -> dict[str, Any]:
    """Return the settings with the content of the tokenizer in place of its path."""
    return asdict(settings) | {"tokenizer": settings.tokenizer and content_hash(settings.tokenizer)}


def _is_made(out: Path, key: str) -> bool:
    """Return whether the data are there.

    Raises:
        GemixError: something else is.

    """
    if (out / "data.json").exists():
        contract = read_record(out / "data.json", Contract, "the data of proxies")
        if contract.made.get("key") != key:
            raise GemixError(
                f"{out} holds data that were made from other files or with other settings or another version; "
                "choose another folder or empty it"
            )
        try:
            read_data(out)
        except GemixError:  # a file was damaged: all are made anew
            return False
        return True
    for name in _PLACES:
        if (out / name).exists() and not (out / _WORK).exists():
            raise GemixError(f"{out} holds {out / name}, which is no part of interrupted data; choose another folder")
    return False


def _clear(out: Path) -> None:
    """Delete what an interrupted call had moved; the work folder, which shows that and holds what stands, stays."""
    try:
        (out / _WORK).mkdir(exist_ok=True)
        for path in (out / "data.json", *(out / name for name in _PLACES)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise GemixError(f"cannot write {error.filename}: {error.strerror}") from error
