"""Weights to the file that a trainer reads."""

from gemix.trainers.export import export_mixture, repeated_domains
from gemix.trainers.mixture_file import read_mixture
from gemix.trainers.trainers import TRAINERS

__all__ = ["TRAINERS", "export_mixture", "read_mixture", "repeated_domains"]
