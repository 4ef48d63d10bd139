"""A sequence in groups of bounded size, so that what is done with each group at once stays small."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item", bound=Sized)


def sized_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in order, as many at a time as have a length of `size` together; a longer one goes alone."""
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + len(item) > size:
            yield group
            group, total = [], 0
        group.append(item)
        total += len(item)
    if group:
        yield group
