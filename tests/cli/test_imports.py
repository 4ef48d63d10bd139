"""What the everyday commands do without: what takes long to import, and all that compiles kernels."""

import pytest
from support import COMPILED, imported_by
from typer.testing import CliRunner

from gemix.cli.app import COMMANDS, app, load


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    file, says = COMMANDS[name]
    first, _, _ = (load(file, name).help or "").partition("\n\n")
    assert " ".join(first.split()) == says


def test_a_misspelt_command_is_told_the_nearest() -> None:
    done = CliRunner().invoke(app, ["fitt", "run"])
    assert done.exit_code == 2
    assert "there is no command 'fitt'; did you mean 'fit'?" in done.stderr


def test_the_list_reads_no_commands() -> None:
    packages, files = imported_by("--help")
    assert "pydantic" not in packages
    assert {name for name in files if name.startswith("gemix.cli")} <= {"gemix.cli", "gemix.cli.app"}


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["mix", "--help"]])
def test_help_imports_no_arrays(args: list[str]) -> None:
    packages, files = imported_by(*args)
    assert "gemix.cli.app" in files
    unwanted = packages & (COMPILED | {"numpy", "pyarrow", "yaml", "msgspec", "tokenizers", "fsspec", "upath"})
    assert not unwanted, f"gemix {' '.join(args)} imports {unwanted}: import them in the functions that need them"
    rooms = {".".join(name.split(".")[:2]) for name in files}
    assert rooms <= {"gemix.cli", "gemix.run", "gemix.runtime"}
