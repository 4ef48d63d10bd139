"""Writing run tables: the text of every file, by name."""

from typing import Final

import numpy as np

from gemix.mix.formats import FORMATS
from gemix.mix.tables import RunTable, write_csv

TABLE_FORMATS: Final = ("olmix-csv", "regmix-csv")


def write_runs(table: RunTable, to: str) -> dict[str, str]:
    """Return the files that hold a table, name -> text.

    "olmix-csv" gives ratios.csv and metrics.csv with the column run; "regmix-csv" gives mixture.csv and loss.csv with
    the column index, train_ before domains and metric/ before metrics (the second file only where there are metrics);
    the formats of single mixtures give one file a run, named as the project that reads them names them.

    Raises:
        ValueError: an unknown format, or a name that it cannot hold.

    """
    if to in TABLE_FORMATS:
        regmix = to == "regmix-csv"
        key, first, second = ("index", "mixture.csv", "loss.csv") if regmix else ("run", "ratios.csv", "metrics.csv")
        domains = [f"train_{d}" for d in table.domains] if regmix else table.domains
        files = {first: write_csv(table.ids, domains, table.W, key)}
        if table.metrics:
            names = [f"metric/{m}" for m in table.metrics] if regmix else list(table.metrics)
            files[second] = write_csv(table.ids, names, np.stack(list(table.metrics.values()), axis=1), key)
        return files
    if to not in FORMATS:
        raise ValueError(f"no format is called {to!r}; there are {', '.join([*TABLE_FORMATS, *FORMATS])}")
    form = FORMATS[to]
    files = {}
    for i, (name, row) in enumerate(zip(table.ids, table.W, strict=True), start=1):
        # An id that is a number or n<number> is what the projects count by; any other is a name of its own.
        plain = name.removeprefix("n")
        stem = (f"n{plain}" if form.stem == "n{}" else form.stem.format(plain)) if plain.isdigit() else name
        if "/" in stem or "\\" in stem or stem.startswith("."):
            raise ValueError(f"run {i}: {name!r} cannot be the name of a file")
        weights = {domain: float(weight) for domain, weight in zip(table.domains, row, strict=True)}
        files[stem + form.suffix] = form.write(weights)
    return files
