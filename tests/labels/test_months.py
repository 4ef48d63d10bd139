from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.labels.months import month_of

moments = st.datetimes(datetime(1974, 1, 1), datetime(2099, 12, 31))


@given(moments)
def test_every_way_of_writing_a_moment_gives_its_month(moment: datetime) -> None:
    month = f"{moment.year:04}-{moment.month:02}"
    seconds = int(moment.replace(tzinfo=UTC, microsecond=0).timestamp())
    for written in (
        moment.isoformat(),
        moment.isoformat(" ") + "Z",
        moment.date().isoformat(),
        month,
        f"{moment:%Y/%m/%d}",
        f"{moment:%Y%m%d}",
        f"{moment:%Y%m%d%H%M%S}",
        f"{moment:%Y%m}",
        moment,
        moment.date(),
        seconds,
        float(seconds),
        seconds * 1_000,
        seconds * 1_000_000,
        seconds * 1_000_000_000,
        str(seconds),
        f" {seconds * 1_000} ",
    ):
        assert month_of(written) == month, written


@pytest.mark.parametrize(
    ("value", "month"),
    [
        (20240131, "2024-01"),
        ("2024-01-31T23:59:59+14:00", "2024-01"),
        ("0999-12-31", "0999-12"),
        (20241301, None),  # no month, and as seconds in 1970
        ("2024-02-30", None),
        ("2024-13-01", None),
        ("2024", None),
        (2024, None),
        ("yesterday", None),
        ("", None),
        ("2024-01-31-extra", None),
        ("٢٠٢٤٠١٣١", None),
        (True, None),
        (-5, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ([2024, 1], None),
        ({"year": 2024}, None),
        (b"2024-01-31", None),
        (date(2024, 1, 31), "2024-01"),
    ],
)
def test_what_is_a_date_and_what_is_not(value: Any, month: str | None) -> None:
    assert month_of(value) == month


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.booleans()))
def test_nothing_breaks_it(value: Any) -> None:
    found = month_of(value)
    assert found is None or (len(found) == 7 and "01" <= found[5:] <= "12")
