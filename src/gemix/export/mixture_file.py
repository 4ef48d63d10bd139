"""Read mixture.json, the contract between what decides weights and what uses them."""

from pathlib import Path

from gemix.corpus.records import read_record
from gemix.mix.mixture import Mixture


def read_mixture(path: Path) -> Mixture:
    """Read mixture.json.

    Raises:
        GemixError: the file is missing, damaged or of another version.

    """
    return read_record(path, Mixture, "a mixture")
