"""Predictability and reach of mixing over partitions: clusterers, human labels, chance; and what moves them.

    gemix run PAGES.jsonl.zst --out run/ --window 1000
    gemix embed PAGES.jsonl.zst --out lsa/ --embedder lsa --window 1000
    python benchmarks/probe.py run/ --lsa lsa/ --label topic --work work/ --out docs/tables/probe.md

Measurements are kept in `--work`: a stopped call goes on, and `--sections` makes a part of the table. The documents,
their tokens and the validation sets (one a label) are those of `gemix probe run/ --valid-by LABEL`; transformers have
a smaller vocabulary and half as much held-out text, which costs as much to judge as training does.
"""

import argparse
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gemix.mix.surrogates.validate import spearman
from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Proxy
from gemix.proxy.ngram import NgramProxy
from gemix.proxy.probe.corpus import Corpus, read_corpus
from gemix.proxy.probe.measure import predictability
from gemix.proxy.probe.partitions import Partition, make_partition
from gemix.proxy.probe.probe import probe
from gemix.proxy.probe.settings import ProbeSettings
from gemix.proxy.probe.summary import summarise, to_markdown
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError

Makers = dict[str, Callable[[int], Partition]]

NGRAM = {"kind": "ngram", "order": 3}


@dataclass(frozen=True)
class Bench:
    """Documents, what decides the outcome, and where measurements are kept."""

    corpus: Corpus
    run: Path
    label: str
    lsa: Path | None
    settings: ProbeSettings
    work: Path

    @property
    def quick(self) -> ProbeSettings:
        """Return the settings of what is varied: the process alone predicts."""
        return self.settings.model_copy(update={"surrogates": ("gp",)})

    def named(self, *names: str) -> Makers:
        """Return partitions as `gemix probe` makes them."""
        return {name: lambda seed, name=name: make_partition(name, self.corpus.source, seed) for name in names}

    def variant(self, title: str, kind: str, gem: dict[str, Any] | None = None, **changes: Any) -> Makers:
        """Return one partition with other parameters of GEM or other fields of its source."""
        source = replace(self.corpus.source, gem=self.corpus.source.gem | (gem or {}), **changes)
        return {title: lambda seed: make_partition(kind, source, seed)}

    def table(
        self,
        makers: Makers,
        settings: ProbeSettings | None = None,
        make: Callable[[ProxyData], Proxy] = NgramProxy,
        facts: dict[str, Any] = NGRAM,
    ) -> str:
        """Measure what is not measured yet; return a section of the table."""
        settings = settings or self.settings
        found = probe(self.corpus, makers, make, facts, settings, self.work)
        head = f"{settings.mixtures} mixtures, seeds: {settings.seeds}, {found[0].budget:,} tokens a model."
        return f"{head}\n\n{to_markdown(summarise(found, settings.target))}"

    @property
    def all(self) -> Makers:
        """Return all partitions that are compared."""
        return self.named("gem", "kmeans", "spherical", "vmf", f"label:{self.label}", "random")


def ngram(bench: Bench) -> str:
    """Compare all partitions."""
    return bench.table(bench.all)


def sets(bench: Bench) -> str:
    """Take every validation set alone as the target: the process, one split, all seeds."""
    found = probe(bench.corpus, bench.all, NgramProxy, NGRAM, bench.settings, bench.work)
    rows = [
        "| partition | Spearman x 100, gp (quartiles) | medians of seeds, gp "
        "| Spearman x 100, sum w^2 / share (quartiles) | sd of losses, mbit "
        "| best below natural, mbit (quartiles) | sets with a mixture below natural, % |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in bench.all:
        predicted, alone, spread, gain = ([] for _ in range(4))
        for measured in (one for one in found if one.partition == name):
            w, losses = np.array(measured.mixtures), np.array(measured.losses)
            squares = (w**2 / measured.shares).sum(axis=1)
            for y, natural in zip(losses.T, np.mean(measured.natural, axis=0), strict=True):
                predicted += predictability("gp", w, y, 1, measured.seed)
                alone.append(spearman(squares, y))
                spread.append(y.std(ddof=1))
                gain.append(natural - y.min())
        seeds = sorted(100 * np.median(np.reshape(predicted, (bench.settings.seeds, -1)), axis=1))
        cells = [_quartiles(predicted, 100), ", ".join(f"{value:.1f}" for value in seeds), _quartiles(alone, 100)]
        cells += [f"{1000 * np.median(spread):.1f}", _quartiles(gain, 1000), f"{100 * np.mean(np.array(gain) > 0):.0f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "Medians over the sets and seeds.\n\n" + "\n".join(rows)


def _quartiles(values: list[float], factor: float) -> str:
    low, median, high = factor * np.quantile(values, [0.25, 0.5, 0.75])
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


def matched(bench: Bench) -> str:
    """Compare partitions of the same sizes."""
    settings = bench.quick.model_copy(update={"size_matched": True})
    return bench.table(bench.named("gem", "kmeans", "vmf", f"label:{bench.label}", "random"), settings)


def balance(bench: Bench) -> str:
    """Vary the pull of GEM."""
    makers: Makers = {}
    for title, gem in (
        ("gem, lambda 0", {"balance": 0.0}),
        ("gem, lambda auto", {"balance": "auto"}),
        ("gem, lambda 5000", {"balance": 5000.0}),
        ("gem, lambda 5000, shared kappa", {"balance": 5000.0, "concentration": "shared"}),
    ):
        makers |= bench.variant(title, "gem", gem)
    return bench.table(makers, bench.quick)


def twelve(bench: Bench) -> str:
    """Compare at K = 12."""
    return _clusters(bench, 12)


def forty_eight(bench: Bench) -> str:
    """Compare at K = 48."""
    return _clusters(bench, 48)


def _clusters(bench: Bench, k: int) -> str:
    makers: Makers = {}
    for kind in ("gem", "kmeans", "random"):
        makers |= bench.variant(f"{kind}, K = {k}", kind, clusters=k)
    return bench.table(makers, bench.quick)


def embeddings(bench: Bench) -> str:
    """Compare on other embeddings."""
    x = np.asarray(bench.corpus.source.embeddings, np.float32)
    spaces = {"centred": x - x.mean(axis=0)}
    if bench.lsa is not None:
        spaces["lsa"] = _vectors(bench, bench.lsa)
    makers: Makers = {}
    for space, vectors in spaces.items():
        for kind in ("gem", "kmeans"):
            makers |= bench.variant(f"{kind}, {space}", kind, embeddings=vectors)
    return bench.table(makers, bench.quick)


def _vectors(bench: Bench, folder: Path) -> np.ndarray:
    """Return the embeddings of another run of the same documents."""
    table, vectors = RunFolder(folder).read_seed()
    if not table["id"].equals(RunFolder(bench.run).read_seed()[0]["id"]):
        raise GemixError(f"{folder} holds other documents than {bench.run}")
    return np.asarray(vectors, np.float32)


def transformer(bench: Bench) -> str:
    """Compare with transformers."""
    import torch

    from gemix.proxy.transformer import TransformerProxy

    torch.set_num_threads(1)  # losses are the same for the same number of threads
    changes = {"mixtures": 48, "repeats": 2, "budget": 100_000}
    settings = bench.quick.model_copy(update=changes)
    return bench.table(
        bench.named("gem", "kmeans", f"label:{bench.label}", "random"),
        settings,
        lambda data: TransformerProxy(data, "tiny"),
        {"kind": "transformer", "preset": "tiny"},
    )


SECTIONS = {
    "ngram": ("N-gram models (order 3)", ngram),
    "sets": ("One validation set at a time", sets),
    "matched": ("The same, size-matched", matched),
    "balance": ("GEM by balance and concentration", balance),
    "twelve": ("K = 12", twelve),
    "forty_eight": ("K = 48", forty_eight),
    "embeddings": ("Other embeddings", embeddings),
    "transformer": ("Transformers (preset tiny: a layer of width 32)", transformer),
}


def tables(arguments: argparse.Namespace) -> Iterator[str]:
    settings = ProbeSettings(mixtures=arguments.mixtures, seeds=arguments.seeds)
    gem = {"balance": 5000.0, "target": "uniform", "temper": 0.5, "solver": "exact", "n_init": 1}
    yield (
        f"K = {arguments.clusters}, lambda = 5000 where nothing else is said. Spearman: on 20 % of the mixtures, "
        "median (quartiles) over 10 splits and all seeds, then median (range) of the medians of seeds. Losses are bits "
        "per byte, the mean over the validation sets; medians (ranges) over seeds. "
        f"Python {platform.python_version()}, {platform.machine()}."
    )
    corpora: dict[bool, Corpus] = {}
    for name in arguments.sections:
        small = name == "transformer"
        if small not in corpora:
            corpora[small] = read_corpus(
                arguments.run, clusters=arguments.clusters, gem=gem, valid_by=arguments.label,
                vocabulary=2048 if small else 8192, held_out_fraction=0.05 if small else 0.1,
            )  # fmt: skip
        bench = Bench(corpora[small], arguments.run, arguments.label, arguments.lsa, settings, arguments.work)
        title, section = SECTIONS[name]
        yield f"\n### {title}\n\n{section(bench)}"


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--lsa", type=Path)
    parser.add_argument("--label", default="topic")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--mixtures", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = []
    try:
        for line in tables(arguments):
            print(line, flush=True)
            lines.append(line)
    except (GemixError, FileNotFoundError) as error:
        parser.exit(1, f"error: {error}\n")
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
