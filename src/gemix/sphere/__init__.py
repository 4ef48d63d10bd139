"""The mathematics: von Mises-Fisher mixtures on the unit sphere, the GEM estimator, baselines, metrics."""

from gemix.sphere import metrics
from gemix.sphere.baselines import KMeans, SphericalKMeans, VonMisesFisherMixture
from gemix.sphere.gem import GEM
from gemix.sphere.hierarchy import HierarchicalGEM

__all__ = ["GEM", "HierarchicalGEM", "KMeans", "SphericalKMeans", "VonMisesFisherMixture", "metrics"]
