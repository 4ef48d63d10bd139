"""The month of a date, however a corpus writes it."""

import math
import re
from datetime import UTC, date, datetime
from typing import Any, Final

_ISO: Final = re.compile(r"(\d{4})[-/](\d\d)(?:[-/](\d\d)(?:[T ].*)?)?", re.ASCII)
_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(?:(\d\d)(?:\d{6})?)?", re.ASCII)  # YYYYMM, YYYYMMDD, YYYYMMDDhhmmss
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
# Written without separators a year outside these is taken for a part of some other number.
_YEARS: Final = range(1900, 2101)
# Counted from 1970: from 1973 on the number of digits tells seconds, milli-, micro- and nanoseconds apart.
_EPOCHS: Final = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6), (1e17, 1e20, 1e9))


def month_of(value: Any) -> str | None:
    """Return "YYYY-MM", or None of what is no date.

    Read are ISO 8601 dates (with - or /, the time and its zone are not looked at), YYYYMM, YYYYMMDD and YYYYMMDDhhmmss
    (text or number), and seconds, milliseconds, microseconds or nanoseconds since 1970 from 1973 on (text or number).
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, date):
        return f"{value.year:04}-{value.month:02}"
    if isinstance(value, int | float):
        whole = math.isfinite(value) and value == int(value)
        return (_calendar(str(int(value))) if whole else None) or _epoch(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    iso = _ISO.fullmatch(text)
    if iso:
        return _month(*iso.groups())
    if not _NUMBER.fullmatch(text):
        return None
    return _calendar(text) or _epoch(float(text))


def _calendar(digits: str) -> str | None:
    found = _DIGITS.fullmatch(digits)
    return _month(*found.groups()) if found and int(found[1]) in _YEARS else None


def _month(year: str, month: str, day: str | None) -> str | None:
    try:
        date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    return f"{year}-{month}"


def _epoch(value: float) -> str | None:
    for low, high, unit in _EPOCHS:
        if low <= value < high:
            try:
                moment = datetime.fromtimestamp(value / unit, UTC)
            except (ValueError, OverflowError, OSError):
                return None
            return f"{moment.year:04}-{moment.month:02}"
    return None
