"""Labels in the forms that other tools read, and documents with their labels in them.

A room of its own, to the right of `label`: labelling writes one form, the sidecar that markers, resuming and totals
rest on, and everything here is made from finished sidecars. `export` turns weights into what a trainer reads; this
needs no weights.
"""

from gemix.labels.exchange.convert import Form, Made, convert_labels
from gemix.labels.exchange.dolma import DolmaAttributes
from gemix.labels.exchange.join import Join
from gemix.labels.exchange.json_lines import JsonLines
from gemix.labels.exchange.weborganizer import WebOrganizer

__all__ = ["DolmaAttributes", "Form", "Join", "JsonLines", "Made", "WebOrganizer", "convert_labels"]
