"""Nothing of language or geometry: errors, progress, files, locks, stores, processes, the map over shards."""

from typing import Final

from gemix.runtime.lazy import offered

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
