import sys

import pytest

from gemix.runtime.progress import per_second, progress


@pytest.mark.parametrize(
    ("speed", "text"), [(12345.6, "12,346"), (10, "10"), (9.87, "9.9"), (0.5, "0.5"), (0.0123, "0.012")]
)
def test_slow_work_has_a_rate(speed, text):
    assert per_second(speed) == text


def test_a_log_file_gets_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with progress("reading", 3, "files") as advance:
        advance(1)
        advance(2)
    line = capsys.readouterr().err
    assert line.startswith("reading: 3 files in ")
    assert line.endswith("/s\n")
    assert line.count("\n") == 1
