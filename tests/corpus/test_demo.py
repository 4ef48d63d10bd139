import sysconfig

import pytest
from corpus_data import read_all

from gemix.corpus import demo
from gemix.corpus.demo import collect_docstrings, source_files, write_demo_corpus
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import resolve_shards
from gemix.runtime.errors import GemixError

LONG = "What this does is described at length. " * 10
MODULE = f'''"""Module. {LONG}"""
raise RuntimeError("importing me is an error")

class A:
    """Class.

        Indented. {LONG}
    """
    def method(self):
        """Method. {LONG}"""
        def inner():
            """Inner. {LONG}"""
        async def waits():
            """Waits. {LONG}"""

try:
    pass
except Exception:
    def in_handler():
        """Handler. {LONG}"""
else:
    if True:
        def in_else():
            """Else. {LONG}"""

match 1:
    case 1:
        def in_case():
            """Case. {LONG}"""

def short():
    """Short."""

def copy():
    """Method. {LONG}"""

def surrogate():
    """Surrogate \\ud800. {LONG}"""

x = """Not a docstring. {LONG}"""
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A standard library and a site-packages folder of our own."""
    files = {
        "lib/std.py": f'"""Std. {LONG}"""',
        "lib/test/test_std.py": f'"""A test. {LONG}"""',
        "lib/site-packages/ignored.py": f'"""Reached by another way. {LONG}"""',
        "site/aaa/_vendor/pkg.py": MODULE,
        "site/pkg.py": MODULE,
        "site/zzz/__init__.py": f'"""Zzz. {LONG}"""',
        "site/zzz/tests/test_zzz.py": f'"""A test. {LONG}"""',
        "site/zzz/broken.py": '"""Broken""" def',
        "site/zzz/bytes.py": '"""\0"""',
        "site/zzz/plain.py": "syntax errors are not looked for here",
        "site/zzz/latin.py": b"# coding: latin-1\n" + f'"""Caf\u00e9. {LONG}"""'.encode("latin-1"),
        "site/gemix/own.py": f'"""Ourselves. {LONG}"""',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    paths = {"stdlib": tmp_path / "lib", "purelib": tmp_path / "site", "platlib": tmp_path / "site"}
    monkeypatch.setattr(sysconfig, "get_path", lambda kind: str(paths[kind]))
    return tmp_path


def test_docstrings_of_everything_defined_in_source_order(library):
    documents, unparsed = collect_docstrings(source_files())
    assert [(d.id, d.package, d.object) for d in documents] == [
        ("std", "python", "std"),
        ("pkg", "pkg", "pkg"),
        ("pkg:A", "pkg", "A"),
        ("pkg:A.method", "pkg", "A.method"),
        ("pkg:A.method.inner", "pkg", "A.method.inner"),
        ("pkg:A.method.waits", "pkg", "A.method.waits"),
        ("pkg:in_handler", "pkg", "in_handler"),
        ("pkg:in_else", "pkg", "in_else"),
        ("pkg:in_case", "pkg", "in_case"),
        ("zzz", "zzz", "zzz"),
        ("zzz.latin", "zzz", "zzz.latin"),
    ]
    assert unparsed == 2
    assert documents[2].text == f"Class.\n\nIndented. {LONG}"
    assert documents[-1].text.startswith("Café.")


def test_the_corpus_reads_back_and_is_the_same_each_time(library, capsys):
    paths = write_demo_corpus(library / "out", shards=3)
    assert paths == [library / f"out/docstrings-{i}.jsonl.zst" for i in range(3)]
    assert [len(read_all(shard)) for shard in resolve_shards([library / "out"])] == [4, 4, 3]
    (batch,) = read_batches(resolve_shards(paths)[0], with_extras=True)
    assert (batch.ids[1].as_py(), batch.extras[1]) == ("pkg:A.method", {"package": "pkg", "object": "A.method"})
    assert "11 docstrings of 3 packages; 2 source files could not be parsed" in capsys.readouterr().err
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_demo_corpus(library / "out", shards=3)] == first


def test_a_full_disk_leaves_nothing_behind(library, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(GemixError, match=r"cannot write .*: No space left on device"):
        write_demo_corpus(library / "out")
    assert list((library / "out").iterdir()) == []


def test_no_sources_at_all(library, monkeypatch):
    monkeypatch.setattr(demo, "source_files", list)
    with pytest.raises(GemixError, match="no docstring found"):
        write_demo_corpus(library / "out")


def test_the_standard_library_of_this_python_is_found():
    files = [entry for entry in source_files() if entry[0] == "json"]
    documents, unparsed = collect_docstrings(files)
    assert not unparsed
    assert {d.package for d in documents} == {"python"}
    assert {"json", "json:dump"} <= {d.id for d in documents}
    assert all(len(d.text) >= demo.MIN_CHARACTERS for d in documents)
