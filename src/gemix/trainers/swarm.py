"""`gemix swarm export`: a swarm for the user's own trainer: a file for every run, and a script that trains them."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from gemix.mix.box import Floats
from gemix.mix.design_file import Design, write_design
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.mix.read_runs import read_runs
from gemix.mix.tables import RunTable, write_csv
from gemix.runtime.atomic import keep_text, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, read_record
from gemix.trainers.data_index import DataIndex, read_index
from gemix.trainers.export import open_data
from gemix.trainers.needed import pool_share
from gemix.trainers.sources import Source, make_sources
from gemix.trainers.trainers import TRAINERS

MIXTURES: Final = "mixtures.csv"
SCRIPT: Final = "array.sh"
_RECORD: Final = "swarm-export.json"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MANY: Final = 1e12  # tokens of a run, where nobody says how many
_SAME: Final = 1e-6  # of shares that went through a division


@dataclass(frozen=True)
class SwarmFile:
    """How a trainer takes a run of a swarm.

    Attributes:
        name: of its file.
        arguments: what the script puts behind the user's command, with {file} and {split}.
        cut: how a pool is cut out of larger data: by the share that training is told to split off, by taking the first
            documents, or not at all.

    """

    name: str
    arguments: str
    cut: Literal["split", "take", "no"]


# Documents lie in the order of a hash, over all files of a domain: the first are a sample.
FILES: Final[dict[str, SwarmFile]] = {
    "megatron": SwarmFile("blend.txt", "--data-args-path {file} --split {split}", "split"),
    "olmo-core": SwarmFile("sources.yaml", "{file}", "no"),
    "torchtitan": SwarmFile("mixture.py", "", "take"),
    "hf-datasets": SwarmFile("mixture.py", "", "take"),
}


class _Facts(Record):
    """What all runs of a folder have in common."""

    SCHEMA: ClassVar[int] = 1

    to: str
    data: str
    proxy_tokens: int | None = Field(None, ge=1)
    budget_tokens: int | None = Field(None, ge=1)


@dataclass(frozen=True)
class SwarmExport:
    """What was written.

    Attributes:
        runs: ids and mixtures of all runs in the folder, those of earlier calls among them.
        domains: K keys.
        names: K names for people.
        pools: (K,) tokens that a run finds of each domain.
        epochs: (K,) most passes over a pool in any run; None where nobody says how many tokens a run sees.
        pool_share: t / T; None where nothing is cut.

    """

    runs: RunTable
    domains: list[str]
    names: list[str]
    pools: Floats
    epochs: Floats | None
    pool_share: float | None


def export_swarm(
    mixtures: Path,
    to: str,
    data: Path,
    out: Path,
    *,
    proxy_tokens: int | None = None,
    budget_tokens: int | None = None,
    design: Design | None = None,
) -> SwarmExport:
    """Write a file for every run into `out`/RUN/, their mixtures, and a Slurm array script.

    With both numbers of tokens, t and T, every run reads pools of t/T of each domain, so that it repeats a domain as
    often as the training of T tokens will. Pools are cut out of larger data by the trainer's own means where it has
    any; OLMo-core has none, so its data must be pools already (`gemix tokenize --proxy-tokens t --budget T`).

    Args:
        mixtures: Of the runs: a table or files, as `gemix.mix.read_runs.read_runs` reads.
        to: One of `FILES`.
        data: Data by domain, with an index.
        out: Folder of the runs; made if it is not there. Runs of earlier calls stay.
        proxy_tokens: t, that a run sees.
        budget_tokens: T, of the real training.
        design: What the runs were designed for, which goes into `out`.

    Raises:
        GemixError: an unknown trainer, data or ids that do not fit, pools that cannot be cut, or `out` holds another
            swarm.
        ValueError: the mixtures cannot be read, or are over other domains than the data.

    """
    _check_options(to, proxy_tokens, budget_tokens)
    index, token_data = read_index(data), open_data(data.absolute(), TRAINERS[to])
    if design is not None and None not in (design.partition, index.partition) and design.partition != index.partition:
        raise GemixError(f"{mixtures}: the runs were designed for another partition than that of {data}")
    runs = _read(mixtures, index, data)
    file = FILES[to]
    share = None if budget_tokens is None or proxy_tokens is None else pool_share(proxy_tokens, budget_tokens)
    cuts = _cuts(index, share, runs, to, data)
    facts = _Facts(to=to, data=index.key, proxy_tokens=proxy_tokens, budget_tokens=budget_tokens)
    runs = _with_earlier(out, runs, facts)
    pools = np.array([domain.tokens for domain in index.domains]) * cuts
    write, texts = TRAINERS[to].writer(Path(file.name).suffix), []
    for weights in runs.W:
        sources = make_sources(_mixture(runs, weights, index, proxy_tokens), token_data, TRAINERS[to].draws, 1.0)
        texts.append(write(_cut(sources, index, cuts, file, pools, proxy_tokens)))
    for name, text in zip(runs.ids, texts, strict=True):
        keep_text(out / name / file.name, text)
    keep_text(out / MIXTURES, write_csv(runs.ids, runs.domains, runs.W))
    if design is not None:
        write_design(out, design)
    keep_text(out / _RECORD, facts.to_json())
    write_text(out / SCRIPT, script(out.absolute(), runs.ids, file, float(cuts.max()), proxy_tokens))
    most = runs.W.max(axis=0) * (proxy_tokens or 0)
    epochs = np.divide(most, pools, out=np.zeros(len(pools)), where=pools > 0) if proxy_tokens is not None else None
    return SwarmExport(runs, runs.domains, [d.name for d in index.domains], pools, epochs, share)


def _check_options(to: str, proxy_tokens: int | None, budget_tokens: int | None) -> None:
    if to not in FILES:
        raise GemixError(f"--to {to}: a swarm is written for one of {', '.join(FILES)}")
    if budget_tokens is not None and proxy_tokens is None:
        raise GemixError(
            "--budget needs --proxy-tokens, the tokens that a run sees: their quotient is that of the pools"
        )


def script(out: Path, ids: Sequence[str], file: SwarmFile, cut: float, tokens: int | None) -> str:
    """Return a Slurm array script with a task a run: `sbatch array.sh COMMAND...`."""
    arguments = file.arguments.format(
        file=f'"$GEMIX_RUN_FOLDER/{file.name}"', split=f"{cut:.12f},0,{max(0.0, 1 - cut):.12f}"
    )
    lines = [
        "#!/bin/bash",
        f"# sbatch {SCRIPT} COMMAND...: trains every run by COMMAND, with the arguments of the run behind its own.",
        "# GEMIX_RUN is the id of the run, by which `gemix swarm collect` finds it. Runs that are done are left.",
        "#SBATCH --job-name=swarm",
        f"#SBATCH --array=0-{len(ids) - 1}",
        "#SBATCH --output=%x-%A_%a.out",
        "set -euo pipefail",
        f"RUNS=({' '.join(ids)})",
        f"HERE={shlex.quote(str(out))}",
        ': "${SLURM_ARRAY_TASK_ID:?is not set: start this by sbatch}"',
        f': "${{1:?no command: sbatch {SCRIPT} COMMAND...}}"',
        'export GEMIX_RUN="${RUNS[$SLURM_ARRAY_TASK_ID]}"',
        'export GEMIX_RUN_FOLDER="$HERE/$GEMIX_RUN"',
        *([f"export GEMIX_TOKENS={tokens}"] if tokens is not None else []),
        'export WANDB_NAME="$GEMIX_RUN"',
        'export PYTHONPATH="$GEMIX_RUN_FOLDER${PYTHONPATH:+:$PYTHONPATH}"',
        'if [[ -e "$GEMIX_RUN_FOLDER/done" ]]; then',
        '    echo "run $GEMIX_RUN is done"',
        "    exit",
        "fi",
        f'"$@" {arguments}'.rstrip(),
        'touch "$GEMIX_RUN_FOLDER/done"',
    ]
    return "\n".join([*lines, ""])


def _read(mixtures: Path, index: DataIndex, data: Path) -> RunTable:
    """Return the runs; their ids can name folders, and the data have the domains that they use."""
    runs = read_runs(mixtures, None, [d.domain for d in index.domains], [d.name for d in index.domains])
    for name in runs.ids:
        if not _ID.fullmatch(name):
            raise GemixError(f"{name!r} cannot name a folder: the id of a run is letters, digits, and . _ - inside")
    for domain, weight in zip(index.domains, runs.W.max(axis=0), strict=True):
        if weight > 0 and not domain.documents:
            raise GemixError(
                f"--data {data} has no documents of {domain.domain}, to which a run gives {weight:.3g}: tokenize a "
                "corpus that has it, or design without it (cap 0 in the table of domains)"
            )
    return runs


def _cuts(index: DataIndex, share: float | None, runs: RunTable, to: str, data: Path) -> Floats:
    """Return which share of each domain's data is its pool, (K,).

    Raises:
        GemixError: the data hold less than the pools, or the trainer cannot cut them.

    """
    present = np.array([domain.share for domain in index.domains])
    if share is None:
        return np.ones(len(present))
    used = (runs.W.max(axis=0) > 0) & (present > 0)
    cuts = np.divide(share, present, out=np.ones(len(present)), where=used)
    anew = "gemix tokenize RUN --proxy-tokens t --budget T --out pools/, and --data pools/"
    if (cuts > 1 + _SAME).any():
        k = int(cuts.argmax())
        raise GemixError(
            f"--data {data} has {present[k]:.3%} of the documents of {index.domains[k].domain}, and its pool is "
            f"{share:.3%}: {anew}"
        )
    cuts = np.where(cuts > 1 - _SAME, 1.0, cuts)
    if (cuts == 1).all():
        return cuts
    if FILES[to].cut == "no":
        raise GemixError(
            f"{to} is told whole files and cannot cut pools of {share:.3%} out of {data}; make them: {anew}"
        )
    if FILES[to].cut == "split" and np.ptp(cuts[used]) > _SAME:
        raise GemixError(
            f"{to} splits the same share off all domains, and {data} has another share of each; make pools: {anew}"
        )
    if FILES[to].cut == "split":
        for k in np.flatnonzero(used).tolist():
            for file in index.domains[k].files:
                if not round(file.documents * cuts[k]):
                    raise GemixError(
                        f"{to} would split {share:.3%} off {data}/{file.path}, which is none of its {file.documents:,} "
                        f"documents; make pools: {anew}"
                    )
    return np.where(used, cuts, cuts[used].min() if FILES[to].cut == "split" else 1.0)


def _with_earlier(out: Path, runs: RunTable, facts: _Facts) -> RunTable:
    """Return the runs with those of earlier calls before them.

    Raises:
        GemixError: the folder has runs of other facts, or one of these ids with another mixture.

    """
    if not (out / _RECORD).exists():
        return runs
    if read_record(out / _RECORD, _Facts, "facts of a swarm") != facts:
        raise GemixError(
            f"{out} holds runs for another trainer, other data or numbers of tokens: choose another folder"
        )
    earlier = read_runs(out / MIXTURES, None, runs.domains)
    known = dict(zip(earlier.ids, earlier.W, strict=True))
    for name, weights in zip(runs.ids, runs.W, strict=True):
        if name in known and np.abs(known[name] - weights).max() > _SAME:
            raise GemixError(f"run {name!r} has another mixture in {out / MIXTURES}: give new runs new ids")
    new = [i for i, name in enumerate(runs.ids) if name not in known]
    return replace(runs, ids=[*earlier.ids, *(runs.ids[i] for i in new)], W=np.concatenate([earlier.W, runs.W[new]]))


def _mixture(runs: RunTable, weights: Floats, index: DataIndex, tokens: int | None) -> Mixture:
    weights = np.where(weights * (tokens or _MANY) < 1, 0.0, weights)  # designs have weights of less than a token
    domains = [
        DomainWeight(domain=key, name=domain.name, weight=min(float(weight), 1.0), share=None, epochs=None)
        for key, domain, weight in zip(runs.domains, index.domains, weights / weights.sum(), strict=True)
    ]
    return Mixture(strategy="swarm", budget_tokens=tokens, partition=index.partition, domains=domains)


def _cut(
    sources: Sequence[Source], index: DataIndex, cuts: Floats, file: SwarmFile, pools: Floats, tokens: int | None
) -> list[Source]:
    """Return the sources as their pools are: with the documents that are taken, and repeated as often as need be."""
    place = {domain.domain: k for k, domain in enumerate(index.domains)}
    found = []
    for source in sources:
        k = place[source.domain]
        take = max(1, round(index.domains[k].documents * cuts[k])) if file.cut == "take" and cuts[k] < 1 else None
        often = source.weight * tokens / float(pools[k]) if tokens is not None else None
        # A run repeats as the design has it: what is bounded is the training that the design was made for.
        found.append(replace(source, take=take, epochs=often, repetition=max(1.0, often or 0.0)))
    return found
