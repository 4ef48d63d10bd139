"""The table of domains, mixtures over them, and what decides between mixtures."""

from typing import Final

from gemix.runtime.lazy import offered

_FILES: Final = {
    "Decision": "verdict",
    "DomainWeight": "mixture",
    "Mixture": "mixture",
    "Partition": "partition",
    "RunTable": "tables",
    "decide": "verdict",
    "make_mixture": "result",
    "read_partition": "partition",
    "surrogate": "surrogates",
    "write_partition": "partition",
}
__all__ = [
    "Decision",
    "DomainWeight",
    "Mixture",
    "Partition",
    "RunTable",
    "decide",
    "make_mixture",
    "read_partition",
    "surrogate",
    "write_partition",
]
__getattr__ = offered(__name__, _FILES, "mix")
