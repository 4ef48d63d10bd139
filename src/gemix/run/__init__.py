"""The folder of a run: paths, settings, ledger, partition."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.run.folder import RunFolder
    from gemix.run.ledger import Ledger
    from gemix.run.partition import Assignment, load_assignment
    from gemix.run.settings import RunConfig, resolve

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
