"""Names are shown in many files and join nothing: here those of now, people's edits included, are put into all of them.

What people merged becomes a table of its own, of the coarser partition: labels stay, and its second file says what each
counts as.

A change of a name touches no file that a stage depends on, so nothing is computed again for it.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from gemix.mix.domain_ids import domain_key, domain_number
from gemix.mix.levels import coarsen
from gemix.mix.partition import read_partition, write_partition
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.taxonomy.edits import named_taxonomy
from gemix.taxonomy.model import Taxonomy

MERGED: Final = "domains-merged.csv"
LEAVES: Final = "domains-merged.leaves.csv"


def show_names(paths: RunFolder) -> None:
    """Put the domains as people see them into taxonomy.md, and into student and domains.csv where these are there.

    Raises:
        GemixError: taxonomy or edits cannot be read, or a file cannot be written.

    """
    from gemix.student.names import write_names
    from gemix.taxonomy.writer import to_markdown

    taxonomy = named_taxonomy(paths.root)
    keep_text(paths.root / "taxonomy.md", to_markdown(taxonomy))
    if (paths.student / "config.json").exists():
        write_names(paths.student, taxonomy.names)
    if paths.domains.exists():
        _show(taxonomy, paths.domains)


def _show(taxonomy: Taxonomy, path: Path) -> None:
    try:
        table = read_partition(path)
    except ValueError as error:
        raise GemixError(str(error)) from error
    if len(table.keys) != len(taxonomy.domains):
        return  # it is of an earlier teacher, and labelling will replace it
    excluded = np.array([domain.excluded for domain in taxonomy.domains])
    table = replace(table, titles=taxonomy.names, excluded=excluded)
    text = write_partition(table)
    keep_text(path, text)
    merged, leaves = path.with_name(MERGED), path.with_name(LEAVES)
    heads = [domain.id if domain.merged_into is None else domain.merged_into for domain in taxonomy.domains]
    if heads == list(range(len(heads))):
        merged.unlink(missing_ok=True)
        leaves.unlink(missing_ok=True)
        return
    kept = sorted(set(heads))
    titles = {domain_key(head): taxonomy.names[head] for head in kept}
    coarse = coarsen(table, [domain_key(head) for head in heads], titles)
    identity = hashlib.sha256(repr(heads).encode()).hexdigest()[:8]
    numbers = [domain_number(key) for key in coarse.keys]
    coarse = replace(
        coarse,
        identity=f"{table.identity}/{identity}" if table.identity else None,
        excluded=np.array([number is not None and bool(excluded[number]) for number in numbers]),
    )
    rows = text.rstrip("\n").split("\n")
    keep_text(leaves, "".join(f"{row},{head}\n" for row, head in zip(rows, ["node", *heads], strict=True)))
    keep_text(merged, write_partition(coarse))
