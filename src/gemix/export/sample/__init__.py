"""The corpus of a mixture, from labelled shards."""

from gemix.export.sample.report import DomainReport, Report
from gemix.export.sample.run import SampleSettings, sample_corpus

__all__ = ["DomainReport", "Report", "SampleSettings", "sample_corpus"]
