"""What people call the domains of a student: a file beside the model, so that a new name leaves the model as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, read_record
from gemix.runtime.storage import is_file
from gemix.student.base import local_student, read_config

FILE_NAME: Final = "names.json"


class _Names(Record):
    names: list[str]


def read_names(folder: Path) -> list[str]:
    """Return the names of a student's domains by number; the keys where nobody has given any.

    Raises:
        GemixError: a file is missing, damaged, or names another number of domains than the student has.

    """
    folder = local_student(folder)
    domains: list[str] = read_config(folder)["domains"]
    path = folder / FILE_NAME
    if not is_file(path):
        return domains
    names = read_record(path, _Names, "a list of names").names
    if len(names) != len(domains):
        raise GemixError(f"{path} has {len(names)} names, the student beside it {len(domains)} domains")
    return names


def write_names(folder: Path, names: Sequence[str]) -> None:
    """Write the names of a student's domains, by number, into its folder."""
    keep_text(folder / FILE_NAME, _Names(names=list(names)).to_json())


def partition_of(folder: Path) -> str | None:
    """Return the fingerprint of what gave the student's domains their numbers; None where it was not kept."""
    found = read_config(folder).get("training", {}).get("partition")
    return found if isinstance(found, str) else None
