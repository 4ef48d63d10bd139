"""Reading what a DoReMi training recorded: the excess loss of every domain at every step."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.domain_ids import find_domains
from gemix.mix.partition import read_csv
from gemix.mix.tables import listed


def read_excess(path: Path, domains: Sequence[str], names: Sequence[str] | None = None) -> tuple[Floats, str]:
    """Return mean clipped excess losses, (T, K) in the order of `domains`, and the SHA-256 of the file.

    Args:
        path: a CSV file with a column `step`, which rises from row to row, and one for every domain; an empty cell is a
            domain without tokens in that step (NaN).
        domains: K keys.
        names: of these domains; columns may be called by them where they are unambiguous.

    Raises:
        ValueError: a missing column, a step out of order, or a cell that is no number; names file and row.

    """
    data = path.read_bytes()
    rows, columns = read_csv(path, data)
    own = [column for column in columns if column != "step"]
    place = dict(zip(own, find_domains(own, domains, names), strict=True))
    missing = [name for k, name in enumerate(domains) if k not in place.values()] + ["step"] * ("step" not in columns)
    extra = [name for name, k in place.items() if k is None]
    if missing or extra:
        raise ValueError(
            f"{path}: the columns must be step and the domains; "
            f"missing: {listed(missing) or 'none'}; unknown: {listed(extra) or 'none'}"
        )
    out = np.full((len(rows), len(domains)), math.nan)
    before = -math.inf
    for i, (line, row) in enumerate(rows):
        for name in columns:
            if name != "step" and not row[name]:
                continue
            try:
                value = float(row[name])
                if not math.isfinite(value):
                    raise ValueError
            except ValueError:
                raise ValueError(f"{path}, row {line}: {name} must be a number, not {row[name]!r}") from None
            if name == "step":
                if value <= before:
                    raise ValueError(f"{path}, row {line}: step {row[name]} does not follow the one before it")
                before = value
            else:
                out[i, place[name]] = value
    return out, hashlib.sha256(data).hexdigest()
