"""Read mixture.json, the contract between what decides weights and what uses them."""

from pathlib import Path

from pydantic import ValidationError

from gemix.errors import GemixError
from gemix.mix.mixture import Mixture


def read_mixture(path: Path) -> Mixture:
    """Read mixture.json.

    Raises:
        GemixError: the file is missing, damaged or of another version.

    """
    try:
        return Mixture.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise GemixError(f"{path} is not a mixture: {where + ': ' if where else ''}{message}") from error
