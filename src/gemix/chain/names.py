"""Names are shown in many files and join nothing: here they are put into all of them at once."""

from dataclasses import replace
from pathlib import Path

from gemix.mix.partition import read_partition, write_partition
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.taxonomy.model import Taxonomy, load_taxonomy
from gemix.taxonomy.writer import to_markdown


def show_names(paths: RunFolder) -> Taxonomy:
    """Put the domains' names as they are now into taxonomy.md, and into student and domains.csv where these are there.

    Raises:
        GemixError: the taxonomy cannot be read, or a file cannot be written.

    """
    from gemix.student.names import write_names

    taxonomy = load_taxonomy(paths.root)
    write_text(paths.root / "taxonomy.md", to_markdown(taxonomy))
    if (paths.student / "config.json").exists():
        write_names(paths.student, taxonomy.names)
    if paths.domains.exists():
        _rename(paths.domains, taxonomy)
    return taxonomy


def _rename(path: Path, taxonomy: Taxonomy) -> None:
    try:
        table = read_partition(path)
    except ValueError as error:
        raise GemixError(str(error)) from error
    if len(table.keys) == len(taxonomy.domains):  # else it is of an earlier teacher, and labelling will replace it
        write_text(path, write_partition(replace(table, titles=taxonomy.names)))
