"""The table of domains, mixtures over them, and what decides between mixtures."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.mix.mixture import DomainWeight, Mixture
    from gemix.mix.partition import Partition, read_partition, write_partition
    from gemix.mix.result import make_mixture
    from gemix.mix.surrogates import surrogate
    from gemix.mix.tables import RunTable
    from gemix.mix.verdict import Decision, decide

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
