"""The folder of a run: paths, settings, ledger, partition."""

from typing import Final

from gemix.runtime.lazy import offered

_FILES: Final = {
    "Assignment": "partition",
    "Ledger": "ledger",
    "RunConfig": "settings",
    "RunFolder": "folder",
    "load_assignment": "partition",
    "resolve": "settings",
}
__all__ = ["Assignment", "Ledger", "RunConfig", "RunFolder", "load_assignment", "resolve"]
__getattr__ = offered(__name__, _FILES)
