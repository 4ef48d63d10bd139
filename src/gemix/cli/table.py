"""Tables of numbers on the terminal."""

import sys
from collections.abc import Sequence


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1, width: int = 120) -> None:
    """Print rows of cells as they are; behind the first `text_columns`, numbers to the right.

    Args:
        titles: of the columns.
        rows: cells.
        text_columns: how many hold text.
        width: in characters, where the output is no terminal.

    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, box=None)
    for column in table.columns[text_columns:]:
        column.justify = "right"
        column.no_wrap = True
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else width).print(table)
