"""From weights and labels to what a trainer reads: token data by domain, and the file that tells it the mixture."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.trainers.by_domain import Order
    from gemix.trainers.data_index import DataIndex, read_index
    from gemix.trainers.export import export_mixture, repeated_domains
    from gemix.trainers.layouts import LAYOUTS
    from gemix.trainers.mixture_file import read_mixture
    from gemix.trainers.needed import ForMixture, Pools
    from gemix.trainers.split import split_corpus
    from gemix.trainers.tokenize import TokenizeSettings, split_tokens, tokenize_corpus
    from gemix.trainers.trainers import TRAINERS

_FILES: Final = {
    "LAYOUTS": "layouts",
    "TRAINERS": "trainers",
    "DataIndex": "data_index",
    "ForMixture": "needed",
    "Order": "by_domain",
    "Pools": "needed",
    "TokenizeSettings": "tokenize",
    "export_mixture": "export",
    "read_index": "data_index",
    "read_mixture": "mixture_file",
    "repeated_domains": "export",
    "split_corpus": "split",
    "split_tokens": "tokenize",
    "tokenize_corpus": "tokenize",
}
__all__ = [
    "LAYOUTS",
    "TRAINERS",
    "DataIndex",
    "ForMixture",
    "Order",
    "Pools",
    "TokenizeSettings",
    "export_mixture",
    "read_index",
    "read_mixture",
    "repeated_domains",
    "split_corpus",
    "split_tokens",
    "tokenize_corpus",
]
__getattr__ = offered(__name__, _FILES)
