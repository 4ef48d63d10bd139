"""Read mixture.json, the contract between what decides weights and what uses them."""

from pathlib import Path

from gemix.mix.mixture import Mixture
from gemix.runtime.records import read_record


def read_mixture(path: Path) -> Mixture:
    """Read mixture.json.

    Raises:
        GemixError: the file is missing, damaged or of another version.

    """
    return read_record(path, Mixture, "a mixture")
