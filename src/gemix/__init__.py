"""gemix turns a text corpus into balanced, named domains and a training mixture over them."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.runtime.version import __version__
    from gemix.sphere import GEM, HierarchicalGEM, KMeans, SphericalKMeans, VonMisesFisherMixture, metrics
    from gemix.sphere.sweep import sweep

# Labelling with a trained student needs no scikit-learn, so nothing of this is read before it is asked for.
_FILES: Final = {
    "GEM": "sphere",
    "HierarchicalGEM": "sphere",
    "KMeans": "sphere",
    "SphericalKMeans": "sphere",
    "VonMisesFisherMixture": "sphere",
    "__version__": "runtime.version",
    "metrics": "sphere",
    "sweep": "sphere.sweep",
}
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
__getattr__ = offered(__name__, _FILES, "train")
