"""Weights to what a trainer reads: one small file, or the corpus itself."""

from gemix.export.export import export_mixture, repeated_domains
from gemix.export.mixture_file import read_mixture
from gemix.export.sample import SampleSettings, sample_corpus
from gemix.export.trainers import TRAINERS

__all__ = ["TRAINERS", "SampleSettings", "export_mixture", "read_mixture", "repeated_domains", "sample_corpus"]
