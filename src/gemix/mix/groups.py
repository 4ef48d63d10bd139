"""Bounds on groups of domains as people write them: `code,math>=0.15`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from gemix.mix.box import Box, Group
from gemix.mix.domain_ids import find_domains, nearest

_BOUND: Final = re.compile(r"(.+?)\s*(>=|<=|=)\s*([^<>=]+)")


def with_groups(box: Box, bounds: Sequence[str], names: Sequence[str] | None = None) -> Box:
    """Return the box with further bounds.

    Args:
        box: over K domains, called by their keys.
        bounds: each some domains, parted by commas, and what they have together: `code,math>=0.15`, `web<=0.4`,
            `news=0.1`, which pins. Two of the same domains hold both. One domain alone gets its own floor and cap.
        names: of the domains, if they have any beside the keys.

    Raises:
        ValueError: no bound, an unknown domain, a domain in two groups, or bounds that no mixture satisfies.

    """
    low, high = box.floor.copy(), box.cap.copy()
    groups = {frozenset(group.members): group for group in box.groups}
    for text in bounds:
        members, floor, cap = _read(text, box.names, names)
        if len(members) == 1:
            low[members[0]], high[members[0]] = max(low[members[0]], floor), min(high[members[0]], cap)
        else:
            known = groups.get(frozenset(members), Group(members, 0.0, 1.0))
            groups[frozenset(members)] = Group(known.members, max(known.floor, floor), min(known.cap, cap))
    return replace(box, floor=low, cap=high, groups=tuple(groups.values()))


def _read(text: str, keys: Sequence[str], names: Sequence[str] | None) -> tuple[tuple[int, ...], float, float]:
    found = _BOUND.fullmatch(text.strip())
    try:
        share = float(found[3]) if found else np.nan
    except ValueError:
        share = np.nan
    if not found or not 0 <= share <= 1:
        raise ValueError(
            f"the bound of a group is written code,math>=0.15 (or <=, or =), a share from 0 to 1: not {text!r}"
        )
    wanted = [part.strip() for part in found[1].split(",")]
    places = find_domains(wanted, keys, names)
    for part, place in zip(wanted, places, strict=True):
        if place is None:
            raise ValueError(f"{text!r}: no domain is called {part!r}{nearest(part, keys, names)}")
    members = tuple(dict.fromkeys(place for place in places if place is not None))
    return members, share if found[2] != "<=" else 0.0, share if found[2] != ">=" else 1.0
