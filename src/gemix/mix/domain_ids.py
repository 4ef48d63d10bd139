"""How a domain is called: by an integer that never changes, shown `domain-07`, its folder `d0007`.

Names are for people. In tables and mixtures the key of a domain is the text `domain-07`. A table of somebody's own
domains has their names for keys.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

_KEY: Final = re.compile(r"domain-(\d{2,})")


def domain_key(number: int) -> str:
    """Return the key of a domain by its number."""
    return f"domain-{number:02d}"


def domain_number(key: str) -> int | None:
    """Return the number in a key; None for a domain that goes by a name."""
    found = _KEY.fullmatch(key)
    return None if found is None or domain_key(int(found[1])) != key else int(found[1])


def domain_folder(key: str) -> str:
    """Return how the folder of a domain's data is called: `d0007`, or the key where it is a name."""
    number = domain_number(key)
    return key if number is None else f"d{number:04d}"


def shown(key: str, name: str | None) -> str:
    """Return what a person reads: the key, and the name if there is another."""
    return key if name is None or name == key else f"{key} {name}"


def find_domains(wanted: Sequence[str], keys: Sequence[str], names: Sequence[str] | None = None) -> list[int | None]:
    """Return the position of each wanted domain: by its key, its number, or a name that no other domain has.

    Args:
        wanted: keys, numbers or names.
        keys: of the K domains.
        names: of the K domains, in the same order, if they have any beside the keys.

    Returns:
        Positions from 0 to K - 1, None for what is no domain.

    Raises:
        ValueError: a name that several domains have.

    """
    place: dict[str, int | None] = {}
    for k, name in enumerate(names or ()):
        place[name] = None if name in place else k
    twice = {name for name, k in place.items() if k is None}
    for k, key in enumerate(keys):
        place[key] = k
        if (number := domain_number(key)) is not None:
            place.setdefault(str(number), k)
    for text in wanted:
        if text in twice and text not in keys:
            owners = [key for key, name in zip(keys, names or (), strict=True) if name == text]
            raise ValueError(f"several domains are called {text!r}: write {' or '.join(owners)}")
    return [place.get(text) for text in wanted]


def nearest(wanted: str, keys: Sequence[str], names: Sequence[str] | None = None) -> str:
    """Return a hint for an error, " (nearest: ...)", or "" where nothing is near."""
    close = get_close_matches(wanted, [*keys, *(names or ())], n=1, cutoff=0.6)
    return f" (nearest: {close[0]!r})" if close else ""
