"""What the everyday commands do without: what takes long to import, and all that compiles kernels."""

import pytest
from support import COMPILED, imported_by


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["mix", "--help"]])
def test_help_imports_no_arrays(args: list[str]) -> None:
    packages, files = imported_by(*args)
    assert "gemix.cli.app" in files
    unwanted = packages & (COMPILED | {"numpy", "pyarrow", "yaml", "msgspec", "tokenizers", "fsspec", "upath"})
    assert not unwanted, f"gemix {' '.join(args)} imports {unwanted}: import them in the functions that need them"
    rooms = {".".join(name.split(".")[:2]) for name in files}
    assert rooms == {"gemix.cli", "gemix.run", "gemix.runtime"}
