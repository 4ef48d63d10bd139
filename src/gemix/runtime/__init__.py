"""Nothing of language or geometry: errors, progress, files, locks, stores, processes, the map over shards."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.runtime.atomic import atomic_path
    from gemix.runtime.errors import GemixError
    from gemix.runtime.map import Launcher, map_all, map_tasks
    from gemix.runtime.ranks import Rank, find_rank
    from gemix.runtime.storage import to_path

_FILES: Final = {
    "GemixError": "errors",
    "Launcher": "map",
    "Rank": "ranks",
    "atomic_path": "atomic",
    "find_rank": "ranks",
    "map_all": "map",
    "map_tasks": "map",
    "to_path": "storage",
}
__all__ = ["GemixError", "Launcher", "Rank", "atomic_path", "find_rank", "map_all", "map_tasks", "to_path"]
__getattr__ = offered(__name__, _FILES)
