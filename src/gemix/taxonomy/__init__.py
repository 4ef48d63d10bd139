"""From clusters to a taxonomy: influence scores, representatives, keywords and names."""

from gemix.taxonomy.build import build_taxonomy
from gemix.taxonomy.gis import influence_scores
from gemix.taxonomy.model import Domain, Representative, Taxonomy, load_taxonomy

__all__ = ["Domain", "Representative", "Taxonomy", "build_taxonomy", "influence_scores", "load_taxonomy"]
