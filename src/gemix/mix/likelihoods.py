"""Reading what MixMin needs: the log-likelihood of a target text under the model of every domain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.domain_ids import find_domains
from gemix.mix.partition import read_csv
from gemix.mix.tables import listed

LENGTH = "length"


def read_likelihoods(
    path: Path, domains: Sequence[str], names: Sequence[str] | None = None
) -> tuple[Floats, Floats | None]:
    """Return log p_k(x_i), (n, K) in nats in the order of `domains`, and lengths (n,) if there is such a column.

    Args:
        path: a .parquet or .csv file with a column of log-likelihoods for every domain, a row for every token; or a row
            for every document, with its tokens in the column "length". Other columns are ignored.
        domains: K keys.
        names: of these domains; columns may be called by them where they are unambiguous.

    Raises:
        ValueError: another kind of file, a missing column or a cell that is no number.

    """
    columns = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    found = dict(zip(find_domains(list(columns), domains, names), columns.values(), strict=True))
    missing = [domain for k, domain in enumerate(domains) if k not in found]
    if missing:
        raise ValueError(f"{path}: no column for {listed(missing)}; there are {listed(list(columns))}")
    table = np.stack([found[k] for k in range(len(domains))], axis=1)
    if not len(table):
        raise ValueError(f"{path}: no rows")
    bad = np.argwhere(np.isnan(table))
    if len(bad):
        raise ValueError(f"{path}, row {bad[0, 0] + 1} of the data: no number for {domains[bad[0, 1]]!r}")
    return table, columns.get(LENGTH)


def _parquet(path: Path) -> dict[str, Floats]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not Parquet: {error}") from None
    numeric = [f.name for f in table.schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]
    return {name: table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in numeric}


def _csv(path: Path) -> dict[str, Floats]:
    if path.suffix != ".csv":
        raise ValueError(f"{path}: likelihoods are read from .parquet or .csv")
    rows, names = read_csv(path, path.read_bytes())
    columns: dict[str, Floats] = {}
    for name in names:
        try:
            columns[name] = np.array([float(row[name] or "nan") for _, row in rows])
        except ValueError:
            continue  # text beside the numbers, such as the tokens themselves
    return columns
