from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from mix.mix_data import COUNTER, TRUTH
from typer.testing import CliRunner


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(**texts: str) -> list[Path]:
        paths = []
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_csv", ".csv").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        return paths

    return write


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[typer.Typer], Callable[..., str]]:
    """Run commands in an empty folder with a table of three domains and 40 runs of a linear loss."""
    monkeypatch.chdir(tmp_path)
    rows = ["0,1,500,web", "1,2,300,code", "2,3,200,math"]
    table = ["domain,documents,tokens,name,tokenizer", *(f"{row},{COUNTER}" for row in rows)]
    Path("domains.csv").write_text("\n".join(table) + "\n")
    w = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    # Columns and rows in an order of their own: everything joins by name.
    rows = [f"{i},{a!r},{b!r},{c!r}" for i, (a, b, c) in enumerate(w.tolist())]
    Path("ratios.csv").write_text("run,web,code,math\n" + "\n".join(rows) + "\n")
    losses = [f"{i},{y!r},{-y!r}" for i, y in enumerate((w @ TRUTH).tolist())]
    Path("metrics.csv").write_text("run,loss,accuracy\n" + "\n".join(losses[::-1]) + "\n")

    def calls_of(app: typer.Typer) -> Callable[..., str]:
        def call(*arguments: str, code: int = 0) -> str:
            result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
            assert result.exit_code == code, result.output
            return result.output

        return call

    return calls_of
