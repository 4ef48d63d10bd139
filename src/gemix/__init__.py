"""gemix turns a text corpus into balanced, named domains and a training mixture over them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemix.runtime.version import __version__
    from gemix.sphere import GEM, HierarchicalGEM, KMeans, SphericalKMeans, VonMisesFisherMixture, metrics

__all__ = [
    "GEM",
    "HierarchicalGEM",
    "KMeans",
    "SphericalKMeans",
    "VonMisesFisherMixture",
    "__version__",
    "metrics",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Load what is named on first use: labelling with a trained student needs no scikit-learn."""
    if name not in __all__:
        raise AttributeError(f"module 'gemix' has no attribute {name!r}")
    if name == "__version__":
        return import_module("gemix.runtime.version").__version__
    try:
        return getattr(import_module("gemix.sphere"), name)
    except ModuleNotFoundError as error:
        raise ImportError(f'gemix.{name} needs {error.name}: pip install "gemix[train]"', name=error.name) from error
