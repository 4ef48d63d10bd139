import os

import pytest
import xxhash

from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash, file_stat, fingerprint


def test_a_fingerprint_names_size_time_and_content(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 3_000_000)
    print_ = fingerprint(path)
    assert (print_.name, print_.size, print_.mtime_ns) == ("a.jsonl", 3_000_000, path.stat().st_mtime_ns)
    assert print_.xxh3 == xxhash.xxh3_128_hexdigest(b"x" * 3_000_000) == content_hash(path)
    assert (file_stat(path).size, file_stat(path).mtime_ns) == (print_.size, print_.mtime_ns)


def test_matches_looks_at_the_content_only_where_the_time_differs(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    print_ = fingerprint(path)
    os.utime(path, ns=(0, 0))
    assert print_.matches(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))
    assert not print_.matches(path)
    path.write_bytes(b"one and more")
    monkeypatch.setattr("gemix.runtime.fingerprint.content_hash", lambda path: pytest.fail("not needed"))
    assert not print_.matches(path)
    path.write_bytes(b"one")
    os.utime(path, ns=(print_.mtime_ns, print_.mtime_ns))
    assert print_.matches(path)


@pytest.mark.parametrize("function", [fingerprint, content_hash, file_stat])
def test_a_missing_file_is_named(tmp_path, function):
    with pytest.raises(GemixError, match=r"cannot read .*gone: No such file"):
        function(tmp_path / "gone")
