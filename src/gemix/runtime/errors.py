from collections.abc import Sequence
from typing import Final

_NAMED: Final = 20


class GemixError(Exception):
    """A fault the user can act on: bad input, a missing extra, a full disk. The message says what and where.

    The command line prints the message alone and exits with code 1; other exceptions are bugs and keep their traceback.
    """


def first_faults(faults: Sequence[str]) -> str:
    """Return the first twenty faults, a line each, indented after the first, and how many more there are."""
    more = f"\n  and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
    return "\n  ".join(faults[:_NAMED]) + more
