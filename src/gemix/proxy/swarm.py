"""A swarm: many small runs, a mixture each, in a folder that a killed training goes on from.

swarm.json          what all runs have in common: the proxy's facts, tokens to train on, seed
mixtures.csv        run, and a column for every domain
metrics.csv         run, a column for every validation set (nats per token), and their mean
metrics.<rank>.csv  what a rank has finished, until all are done
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.mix.tables import RunTable, listed, write_csv
from gemix.proxy.interface import Floats, Proxy
from gemix.proxy.swarm_files import KEY, Rows, grow, keep_record, read_rows, write_rows
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import folder_lock
from gemix.runtime.progress import progress
from gemix.runtime.ranks import Rank, divide

MEAN: Final = "mean"  # over the validation sets, each counted once
_RESERVED: Final = frozenset({"run", "run_id", "id", "index", "name"})  # what run tables call ids and labels
_SAME: Final = 1e-9  # weights that went through a table


@dataclass(frozen=True)
class Trained:
    """What a swarm has come to.

    Attributes:
        table: the runs that are done, in the caller's order of runs and domains, with their losses as metrics.
        new: ids of runs that this call trained.
        old: ids of runs that were done before.
        missing: ids of runs that other ranks have not finished.

    """

    table: RunTable
    new: list[str]
    old: list[str]
    missing: list[str]


@dataclass(frozen=True)
class Swarm:
    """A folder of runs of one proxy that see equally many tokens with one seed.

    Attributes:
        folder: where its files lie; made if it is not there.
        proxy: what is trained.
        budget: tokens that every run sees.
        seed: of every run: runs differ by their mixtures alone.
        plan: what decided which runs are trained, as JSON; kept as plan.json, and later calls must have the same.

    """

    folder: Path
    proxy: Proxy
    budget: int
    seed: int = 0
    plan: dict[str, Any] | None = None

    def train(self, runs: RunTable, rank: Rank | None = None) -> Trained:
        """Train the runs that are not done yet; runs of earlier calls stay in the folder.

        Args:
            runs: ids and mixtures; domains in any order.
            rank: train this rank's share alone, beside other ranks of the same world; all give the same runs.

        Raises:
            GemixError: the domains are not the proxy's, the folder holds runs of another proxy, budget or seed, a run
                has another mixture there, another process trains there, or a training failed. Finished runs stay.

        """
        table = self._own(runs)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GemixError(f"cannot write {self.folder}: {error.strerror}") from error
        with self._lock(table, rank):
            self._keep("swarm.json", self.facts)
            if self.plan is not None:
                self._keep("plan.json", self.plan)
            done = self._finished()
            self._keep_mixtures(table, done)
            rows = list(range(len(table.ids)))
            share = rows if rank is None else divide(rows, [1] * len(rows), table.ids, rank)
            left = [row for row in share if table.ids[row] not in done]
            path = self.folder / ("metrics.csv" if rank is None else f"metrics.{rank.index}.csv")
            kept = done if rank is None else read_rows(path, self._columns)
            if left:
                done |= self._train(table, left, path, kept)
            if rank is not None:
                done |= self._finished()  # what others have done meanwhile
            if all(name in done for name in table.ids):
                self._join(done)
                if rank is None:
                    for part in self._parts():
                        part.unlink()
        return self._result(runs, done, {table.ids[row] for row in left})

    def require(self, targets: Iterable[str]) -> None:
        """Check that these are metrics that runs will have.

        Raises:
            ValueError: one is not.

        """
        for name in targets:
            if name not in self._columns:
                raise ValueError(f"no metric is called {name!r}; there are {listed(sorted(self._columns), 30)}")

    def mixtures(self) -> Rows:
        """Return the mixtures of all runs in the folder, (K,) each, in the order of the proxy's domains."""
        return read_rows(self.folder / "mixtures.csv", list(self.proxy.domains))

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the losses of a run besides its mixture; the content of swarm.json."""
        return {
            "schema_version": 1,
            "budget_tokens": self.budget,
            "seed": self.seed,
            "domains": list(self.proxy.domains),
            "valid": list(self.proxy.valid),
            "proxy": self.proxy.facts,
        }

    @property
    def _columns(self) -> list[str]:
        return [*self.proxy.valid, MEAN]

    def _own(self, runs: RunTable) -> RunTable:
        """Return the runs with the proxy's domains, in their order."""
        bad = sorted((_RESERVED & {*self.proxy.valid, *self.proxy.domains}) | ({MEAN} & {*self.proxy.valid}))
        if bad:
            raise GemixError(f"a domain or validation set cannot be called {bad[0]!r}: run tables use that name")
        match_domains(self.proxy.domains, runs.domains)
        for name in runs.ids:
            if not name.isprintable() or name != name.strip():
                raise GemixError(f"{name!r} cannot be the id of a run")
        return runs.align(self.proxy.domains)

    @contextmanager
    def _lock(self, runs: RunTable, rank: Rank | None) -> Iterator[None]:
        """Hold the folder, alone or with the other ranks."""
        job = None
        if rank is not None:
            same = [self.facts, runs.ids, runs.W.tolist(), rank.size]
            job = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        with folder_lock(self.folder, job):
            yield

    def _keep(self, name: str, facts: dict[str, Any]) -> None:
        """Write facts that all runs depend on, or check those of earlier runs."""
        keep_record(self.folder / name, facts, f"the runs in {self.folder}", anew=not self._has_runs())

    def _keep_mixtures(self, runs: RunTable, done: Rows) -> None:
        """Write the runs into mixtures.csv; those that are done must stand there as they are."""
        path = self.folder / "mixtures.csv"
        known = self.mixtures() if done else {}
        new: Rows = {}
        for name, weights in zip(runs.ids, runs.W, strict=True):
            if name not in done:
                new[name] = weights
            elif (off := np.abs(known[name] - weights)).max() > _SAME:
                k = int(off.argmax())
                raise GemixError(
                    f"run {name!r} has another mixture in {path}: {runs.domains[k]!r} weighs {known[name][k]:.6g} "
                    f"there, {weights[k]:.6g} now. Give new runs new ids, or choose another folder"
                )
        if new:
            write_rows(path, list(self.proxy.domains), known | new)

    def _parts(self) -> list[Path]:
        found = [path for path in self.folder.glob("metrics.*.csv") if path.name.split(".")[1].isdecimal()]
        return sorted(found, key=lambda path: int(path.name.split(".")[1]))

    def _has_runs(self) -> bool:
        return any(path.read_bytes().count(b"\n") > 1 for path in self.folder.glob("metrics*.csv"))

    def _finished(self) -> Rows:
        rows: Rows = {}
        if not self._has_runs():
            return rows
        for path in (self.folder / "metrics.csv", *self._parts()):
            rows = read_rows(path, self._columns) | rows  # of two equal runs, the first
        known = self.mixtures()
        strange = [name for name in rows if name not in known]
        if strange:
            raise GemixError(f"{self.folder}: runs with metrics and no row in mixtures.csv: {listed(strange)}")
        return rows

    def _train(self, runs: RunTable, left: Sequence[int], path: Path, known: Rows) -> Rows:
        """Train the rows `left`, appending each to `path` behind what is known; return the new ones."""
        new: Rows = {}
        columns, mixtures, names = self._columns, runs.W[list(left)], [runs.ids[row] for row in left]
        with grow(path, columns, known) as append, progress("train", len(left), "runs") as advance:
            for row, losses in self._losses(mixtures, names):
                name = names[row]
                if losses.shape != (len(self.proxy.valid),) or not np.all(np.isfinite(losses)):
                    raise GemixError(f"run {name!r}: the losses are not {len(self.proxy.valid)} finite numbers")
                new[name] = np.append(losses, losses.mean())
                append(name, new[name])
                advance(1)
        return new

    def _losses(self, mixtures: Floats, names: Sequence[str]) -> Iterator[tuple[int, Floats]]:
        try:
            yield from self.proxy.train_many(mixtures, self.budget, [self.seed] * len(names))
        except GemixError as error:
            # A proxy counts the mixtures that it was given; which these are is known here.
            raise GemixError(f"{error} (mixtures from 0 on: {listed(names, 8)}; finished runs are kept)") from error

    def _join(self, rows: Rows) -> None:
        """Write metrics.csv in the order of the mixtures: the same bytes whatever order the runs ended in."""
        ordered = {name: rows[name] for name in self.mixtures() if name in rows}
        write_rows(self.folder / "metrics.csv", self._columns, ordered)

    def _result(self, runs: RunTable, done: Rows, new: set[str]) -> Trained:
        there = [name for name in runs.ids if name in done]
        table = runs.select(np.array([name in done for name in runs.ids], bool))
        values: Floats = np.stack([done[name] for name in there]) if there else np.empty((0, len(self._columns)))
        metrics = dict(zip(self._columns, values.T.copy(), strict=True))
        # What a result depends on: these runs, not what else lies in the folder.
        texts = {
            "mixtures.csv": write_csv(there, table.domains, table.W, KEY),
            "metrics.csv": write_csv(there, self._columns, values, KEY),
        }
        sources = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
        return Trained(
            replace(table, metrics=metrics, sources=sources),
            [name for name in there if name in new],
            [name for name in there if name not in new],
            [name for name in runs.ids if name not in done],
        )


def match_domains(proxy: Sequence[str], names: Sequence[str]) -> None:
    """Check that the data of a proxy and the mixtures are over the same domains.

    Raises:
        GemixError: they are not; the message says which are only in one.

    """
    missing = [name for name in names if name not in set(proxy)]
    extra = [name for name in proxy if name not in set(names)]
    if missing or extra:
        raise GemixError(
            "the proxy's data and the mixtures have different domains: "
            + "; ".join(
                f"{listed(found)} only in the {where}"
                for found, where in ((missing, "mixtures"), (extra, "proxy's data"))
                if found
            )
        )
