"""Names are shown in many files and join nothing: here those of now, people's edits included, are put into all of them.

A change of a name touches no file that a stage depends on, so nothing is computed again for it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gemix.mix.partition import read_partition, write_partition
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.taxonomy.edits import named_taxonomy
from gemix.taxonomy.model import Taxonomy


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
    keep_text(path, write_partition(replace(table, titles=taxonomy.names, excluded=excluded)))
