"""The corpus of a mixture, from labelled shards."""

from gemix.sample.report import DomainReport, Report
from gemix.sample.run import SampleSettings, sample_corpus

__all__ = ["DomainReport", "Report", "SampleSettings", "sample_corpus"]
