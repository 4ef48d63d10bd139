"""Does the mixture help? Mixtures that small proxies find, judged by larger ones on text that the search has not seen.

    gemix run PAGES.jsonl.zst --out run/ --window 1000
    python benchmarks/mixtures.py run/ PAGES.jsonl.zst --work work/ --out docs/tables/mixtures.md

Finished pieces are kept in `--work`, so a stopped call goes on; a call with all seeds makes the table of what calls
with one seed found.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import resolve_shards
from gemix.mix.box import Box, epoch_box, project
from gemix.mix.partition import Partition
from gemix.mix.strategies import perf, simulate
from gemix.mix.strategies.perf import gains
from gemix.mix.surrogates import Surrogate, surrogate
from gemix.mix.tables import RunTable
from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Floats, Proxy
from gemix.proxy.ngram import NgramProxy
from gemix.proxy.perf import probe
from gemix.proxy.probe.measure import bits_per_byte
from gemix.proxy.probe.partitions import Source, make_partition
from gemix.proxy.regmix import Plan, gather
from gemix.proxy.swarm import MEAN, Swarm
from gemix.proxy.swarm_files import keep_record
from gemix.proxy.tokenised import Tokenised, divide, tokenise
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import write_json, write_text
from gemix.runtime.errors import GemixError
from gemix.tokens.held_out import text_place
from gemix.tokens.tokenizer import train_tokenizer

AIM = ("Science & Technology", "Education & Jobs", "History")  # chosen by name, before any run
HELD_OUT = 0.2  # of the documents: the lower half of the hashes for searches, the upper for the verdict
EPOCHS = 4.0
MADE = {"gem": {"balance": 5000.0}, "kmeans": {}, "random": {}}
TITLES = {"gem": "GEM", "kmeans": "k-means", "random": "random"}


@dataclass(frozen=True)
class Half:
    """Sizes of one half of the experiment; shares are of all documents or of the training tokens."""

    partitions: tuple[str, ...]
    vocabulary: int
    window: int | None  # characters of a document
    searched: float  # documents that a search is judged by
    judged: float  # documents that the verdict is on
    budgets: tuple[float, ...]  # of the larger model
    runs: int  # that RegMix fits
    small: tuple[float, ...]  # tokens of a search's model, as shares of those of the larger one


HALVES = {
    "ngram": Half(("gem", "kmeans", "random"), 8192, None, 0.1, 0.1, (0.25, 1.0), 128, (1.0, 0.125)),
    "transformer": Half(("gem", "kmeans"), 2048, 1000, 0.03, 0.06, (0.12,), 20, (0.2,)),
}
SMALL = {"layers": 1, "width": 64, "heads": 2, "kv_heads": 2, "inner": 128, "tied": True}
LARGE = {"layers": 2, "width": 128, "heads": 4, "kv_heads": 4, "inner": 256, "tied": True}
PROXIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ngram": ({"order": 2}, {"order": 4}),
    "transformer": ({"model": SMALL, "rate": 1e-2}, {"model": LARGE, "rate": 6e-3}),
}
CONTEXT = 128
Mixtures = dict[str, Floats]
VALID_TOKENS = 10_000  # of each topic, for n-grams


@dataclass(frozen=True)
class Documents:
    """What a run folder and its pages hold: n documents."""

    texts: list[str]
    places: np.ndarray
    topics: np.ndarray
    source: Source


def read_documents(run: Path, pages: Path, clusters: int) -> Documents:
    """Join the embedded documents of a run with their whole texts, by id."""
    table, vectors = RunFolder(run).read_seed()
    whole: dict[str, str] = {}
    for shard in resolve_shards([pages]):
        for batch in read_batches(shard):
            whole |= {
                i: text
                for i, text in zip(batch.ids.to_pylist(), batch.texts.to_pylist(), strict=True)
                if text is not None
            }
    ids = table["id"].to_pylist()
    missing = [i for i in ids if i not in whole]
    if missing:
        raise GemixError(f"{pages} lacks {len(missing):,} documents of {run}, the first is {missing[0]!r}")
    topics = np.array([json.loads(row)["topic"] for row in table["meta"].to_pylist()])
    source = Source(np.asarray(vectors, np.float32), {}, clusters)
    texts = [whole[i] for i in ids]
    return Documents(texts, np.array([text_place(text) for text in texts]), topics, source)


@dataclass(frozen=True)
class Bench:
    """Tokens of the documents for one half, and where its pieces are kept."""

    name: str
    half: Half
    documents: Documents
    tokenised: Tokenised
    work: Path

    @property
    def held_out(self) -> np.ndarray:
        """Documents that nothing is trained on, the same in both halves and for every partition."""
        return self.documents.places < HELD_OUT

    @property
    def training_tokens(self) -> int:
        """Tokens of all other documents."""
        return int(self.tokenised.lengths[~self.held_out].sum())

    def labels(self, kind: str, seed: int) -> np.ndarray:
        """Return the domain of every document, (n,)."""
        path = self.work.parent / "partitions" / f"{kind}-{seed}.json"
        if not path.exists():
            old = self.documents.source
            source = Source(old.embeddings, {}, old.clusters, MADE[kind])
            write_json(path, make_partition(kind, source, seed).labels.tolist())
        return np.array(json.loads(path.read_text()))

    def data(self, labels: np.ndarray, judge: bool) -> ProxyData:
        """Return a partition with the validation sets of a search or of the verdict, one a topic."""
        documents, half = self.documents, self.half
        low = HELD_OUT / 2 if judge else 0.0
        high = low + (half.judged if judge else half.searched)
        mask = (documents.places < high) & (documents.places >= low)
        valid = {str(topic): mask & (documents.topics == topic) for topic in np.unique(documents.topics)}
        names = [f"{k:02d}" for k in range(documents.source.clusters)]
        return divide(self.tokenised, labels, names, self.held_out, valid)

    def proxy(self, data: ProxyData, large: bool) -> Proxy:
        """Return the model of a search, or the larger one of the verdict."""
        options = PROXIES[self.name][large]
        if self.name == "ngram":
            return NgramProxy(data, options["order"], VALID_TOKENS)
        import torch

        from gemix.proxy.transformer import Config, TransformerProxy

        torch.set_num_threads(1)
        return TransformerProxy(data, Config(**options["model"]), context=CONTEXT, rate=options["rate"])


def targets(data: ProxyData) -> dict[str, dict[str, float]]:
    """Return the weights of the validation sets in both targets: mean bits per byte over some topics, or all."""
    unit = dict(zip(data.valid_names, bits_per_byte(data).tolist(), strict=True))
    return {
        "aim": {name: unit[name] / len(AIM) for name in AIM},
        "all": {name: value / len(unit) for name, value in unit.items()},
    }


def values(table: RunTable, target: dict[str, float]) -> Floats:
    """Return a target of trained runs, (n,)."""
    return table.targets(list(target))[1] @ np.array(list(target.values()))


def search(bench: Bench, data: ProxyData, small: Proxy, box: Box, budget: int, folder: Path, seed: int) -> Mixtures:
    """Return the mixtures that RegMix and Perf find with small models of `budget` tokens."""
    partition = corpus_partition(data)
    swarm = Swarm(folder / "regmix", small, budget, seed)
    table = gather(swarm, partition, box, {MEAN: 1.0}, plan=Plan(bench.half.runs, 0, seed=seed)).table
    found = {}
    for name, target in targets(data).items():
        model = surrogate("gp").mean_only().fit(table.W, values(table, target))
        found[f"regmix, {name}"] = simulate(partial(predicted, model), box, partition.shares, seed=seed).weights
    if bench.name == "ngram":  # probes would cost the transformers more than RegMix does
        probed = probe(Swarm(folder / "perf", small, budget, seed), partition, box, MEAN)
        for name, target in targets(data).items():
            y = values(probed.table, target)
            found[f"perf, {name}"] = perf(probed.base, gains(y[0], y[1:]), box)
    return found


def predicted(model: Surrogate, mixtures: Floats) -> Floats:
    """Return what a surrogate expects."""
    return model.predict(mixtures)[0]


def doremi_weights(bench: Bench, labels: np.ndarray, box: Box, folder: Path, seed: int) -> Floats:
    """Return the mixture of one round of DoReMi with the small transformer."""
    from gemix.proxy.doremi import DoReMiSettings, doremi
    from gemix.proxy.transformer import Config

    path = folder / "doremi.json"
    if not path.exists():
        budget = int(bench.half.budgets[0] * bench.training_tokens)
        settings = DoReMiSettings(budget, Config(**SMALL), rounds=1, seed=seed, context=CONTEXT, rate=1e-2)
        write_json(path, doremi(bench.data(labels, judge=False), settings).weights.tolist())
    return project(np.array(json.loads(path.read_text())), box)


def corpus_partition(data: ProxyData) -> Partition:
    """Return the domains of a partition with their training tokens."""
    k = len(data.domains)
    return Partition(data.names, None, np.array([d.tokens for d in data.domains]), np.zeros(k), np.ones(k))


def piece(bench: Bench, kind: str, seed: int) -> dict[str, Any]:
    """Return weights and losses of all mixtures of one partition and seed, by budget."""
    folder = bench.work / f"{kind}-{seed}"
    path = folder / "judged.json"
    if not path.exists():
        labels = bench.labels(kind, seed)
        data = bench.data(labels, judge=True)
        judge = bench.proxy(data, large=True)
        searched = bench.data(labels, judge=False)
        small = bench.proxy(searched, large=False)
        shares = corpus_partition(data).shares
        result = {}
        for share in bench.half.budgets:
            budget = int(share * bench.training_tokens)
            box = epoch_box(data.names, [d.tokens for d in data.domains], EPOCHS, budget)
            there = folder / f"{share:g}"
            mixtures = {"natural": project(shares, box)}
            for part in bench.half.small:
                tokens = int(part * budget)
                found = search(bench, searched, small, box, tokens, there / f"{part:g}", seed)
                mixtures |= {name + ("" if part == 1 else f", {part:g} of the tokens"): w for name, w in found.items()}
            if bench.name == "transformer":
                mixtures["doremi"] = doremi_weights(bench, labels, box, folder, seed)
            mixtures |= borrowed(bench, kind, seed, box)
            mixtures["uniform"] = project(np.ones(len(shares)), box)
            runs = RunTable(list(mixtures), data.names, np.array(list(mixtures.values())))
            table = Swarm(there / "judge", judge, budget, seed).train(runs).table
            aims = {name: values(table, target).tolist() for name, target in targets(data).items()}
            epochs = (budget * table.W / np.maximum([d.tokens for d in data.domains], 1)).max(axis=1)
            result[f"{share:g}"] = {
                name: {"weights": table.W[i].tolist(), "epochs": epochs[i]} | {aim: y[i] for aim, y in aims.items()}
                for i, name in enumerate(table.ids)
            }
        write_json(path, result)
    return json.loads(path.read_text())


def borrowed(bench: Bench, kind: str, seed: int, box: Box) -> dict[str, Floats]:
    """Return mixtures that the other half found over the same domains, where it has."""
    other = "transformer" if bench.name == "ngram" else "ngram"
    name, path = {
        "transformer": ("doremi", bench.work.parent / other / f"{kind}-{seed}" / "doremi.json"),
        "ngram": ("regmix, aim, by n-grams", bench.work.parent / other / f"{kind}-{seed}" / "judged.json"),
    }[other]
    if not path.exists():
        return {}
    found = json.loads(path.read_text())
    if other == "ngram":
        found = found["0.25"]["regmix, aim"]["weights"]
    return {name: project(np.array(found), box)}


def interval(differences: Sequence[float]) -> str:
    """Return the mean over seeds in thousandths with a 95 % t interval."""
    d = 1000 * np.array(differences)
    if len(d) < 2:
        return f"{d[0]:+.1f}"
    reach = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return f"{d.mean():+.1f} ({d.mean() - reach:+.1f} to {d.mean() + reach:+.1f})"


def section(bench: Bench, share: str, pieces: dict[tuple[str, int], dict[str, Any]], seeds: Sequence[int]) -> str:
    """Return the table of one budget."""
    lines = [
        "| domains | mixture | three topics, bits per byte | against natural, mbit | all topics, bits per byte "
        "| against natural, mbit | seeds better: three, all | from natural | most epochs |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind in bench.half.partitions:
        for name in pieces[kind, seeds[0]][share]:
            rows = [pieces[kind, seed][share][name] for seed in seeds]
            base = [pieces[kind, seed][share]["natural"] for seed in seeds]
            cells = [TITLES[kind], name]
            better = []
            for aim in ("aim", "all"):
                d = [row[aim] - b[aim] for row, b in zip(rows, base, strict=True)]
                better.append(sum(x < 0 for x in d))
                cells += [f"{np.mean([row[aim] for row in rows]):.4f}", "" if name == "natural" else interval(d)]
            moved = [np.abs(np.array(r["weights"]) - b["weights"]).sum() / 2 for r, b in zip(rows, base, strict=True)]
            cells += ["" if name == "natural" else f"{better[0]}, {better[1]} of {len(seeds)}"]
            cells += [f"{np.mean(moved):.2f}", f"{max(row['epochs'] for row in rows):.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table."""
    documents = read_documents(arguments.run, arguments.pages, arguments.clusters)
    yield (
        f"{len(documents.texts):,} pages, K = {arguments.clusters}, seeds {' '.join(map(str, arguments.seeds))}: "
        f"means, and 95 % t intervals over seeds of differences from natural of the same seed. The three topics are "
        f"{', '.join(AIM)}. At most {EPOCHS:g} epochs. Python {platform.python_version()}, {platform.machine()}."
    )
    for name in arguments.halves:
        half = HALVES[name]
        work = arguments.work / name
        record = {"clusters": arguments.clusters, "half": asdict(half), "proxies": PROXIES[name], "aim": AIM}
        work.mkdir(parents=True, exist_ok=True)
        keep_record(work / "settings.json", record, f"the pieces in {work}")
        texts = [text[: half.window] for text in documents.texts]
        away = documents.places < HELD_OUT
        tokenizer = train_tokenizer((t for t, out in zip(texts, away, strict=True) if not out), half.vocabulary)
        bench = Bench(name, half, documents, tokenise(texts, tokenizer), work)
        pieces = {(kind, seed): piece(bench, kind, seed) for seed in arguments.seeds for kind in half.partitions}
        for share in half.budgets:
            t = bench.training_tokens
            yield (
                f"\n### {name}: {share * t:,.0f} tokens a model, {share:g} of the {t:,} training tokens\n\n"
                f"RegMix has {half.runs} runs.\n\n"
                f"{section(bench, f'{share:g}', pieces, arguments.seeds)}"
            )


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder, embedded")
    parser.add_argument("pages", type=Path, help="the corpus of the run, with whole texts")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--halves", nargs="+", choices=list(HALVES), default=list(HALVES))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = []
    try:
        for line in tables(arguments):
            print(line, flush=True)
            lines.append(line)
    except GemixError as error:
        parser.exit(1, f"error: {error}\n")
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
