"""The command that helps to choose K and the balance: `sweep`."""

import csv
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.command import command
from gemix.run.settings import resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.sphere.sweep_result import Balance, Sweep


def sweep(
    run: Annotated[Path, typer.Argument(help="run folder, embedded", show_default=False)],
    clusters: Annotated[
        str, typer.Option("--clusters", "-k", help="every K to try, such as 8,16,24,48")
    ] = "8,16,24,48",
    balance: Annotated[str, typer.Option("--balance", help="every balance to try: numbers or auto")] = "0,auto,5000",
    sample: Annotated[int, typer.Option("--sample", min=1, help="documents to try them on")] = 50_000,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="of everything", show_default="the run's")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder of sweep.md, .csv and .png", show_default="the run folder"),
    ] = None,
) -> None:
    """Try numbers of domains and balances on the embeddings of a run, and recommend one of each.

    Example: `gemix sweep run/ --clusters 8,16,24,48 --balance 500,5000`
    """
    import numpy as np
    import pyarrow.parquet as pq

    from gemix.run.folder import RunFolder
    from gemix.run.ledger import Ledger
    from gemix.runtime.progress import progress
    from gemix.sphere.sweep import sweep as measure

    paths = RunFolder(run)
    config = resolve({"seed": seed}, stored=Ledger(run).settings(), stage="fit")
    ks, balances = _clusters(clusters), _balances(balance)
    embeddings = paths.embeddings / "seed.npy"
    if not embeddings.exists():
        raise GemixError(f"{embeddings} is not there: `gemix embed` makes it")
    try:
        X = np.load(embeddings, mmap_mode="r")
    except ValueError as error:
        raise GemixError(f"{embeddings} is not an array of embeddings: {error}") from None
    weights = None
    if config.balance_by == "tokens":
        weights = np.maximum(pq.read_table(paths.seed, columns=["tokens"])["tokens"].to_numpy(), 1)
    with progress("sweep", len(ks) * len(balances), "settings") as advance:
        result = measure(
            X, ks, balances, sample_weight=weights, sample=sample, random_state=config.seed, solver=config.solver,
            n_init=config.n_init, tol=config.tol, done=lambda setting: advance(1),
        )  # fmt: skip
    _write(result, out or run)


def _write(result: "Sweep", folder: Path) -> None:
    from gemix.runtime.atomic import atomic_path, write_text

    write_text(folder / "sweep.md", result.to_markdown())
    with atomic_path(folder / "sweep.csv") as tmp, open(tmp, "w", encoding="utf-8", newline="") as file:
        rows = result.rows()
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    written = "sweep.md, sweep.csv"
    if importlib.util.find_spec("matplotlib"):
        from gemix.report.sweep_figure import sweep_figure

        sweep_figure(result, folder / "sweep.png")
        written += ", sweep.png"
    else:
        say('no figure: pip install "gemix[report]"')
    print(result.to_markdown())
    say(f"{folder}: {written}")


def _clusters(text: str) -> list[int]:
    try:
        ks = [int(part) for part in text.split(",")]
    except ValueError:
        ks = []
    if not ks or min(ks) < 1:
        raise GemixError(f"--clusters is positive integers with commas between, not {text!r}")
    return ks


def _balances(text: str) -> list["Balance"]:
    """Read every balance as the run's settings do."""
    return [resolve({"balance": part.strip()}).balance for part in text.split(",")]


app = typer.Typer()
app.command()(command(ValueError, extra="train")(sweep))
