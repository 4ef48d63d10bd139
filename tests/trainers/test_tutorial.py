"""docs/tutorial-training.md, from labels on: its commands as they stand there, and its training."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from export_data import label, make_rows, write_layout
from installed import need
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.run.ledger import Ledger

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial-training.md").read_text()


def test_the_blend_trains_and_has_its_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("torch")
    monkeypatch.chdir(tmp_path)
    label(write_layout(tmp_path / "corpus", make_rows(2000), 2), tmp_path / "run" / "labels")
    ledger = Ledger(tmp_path / "run")
    ledger.content["stages"]["embed"] = {"config": {"inputs": [str(tmp_path / "corpus")]}}
    (tmp_path / "run" / "run.json").write_text(json.dumps(ledger.content))
    (tmp_path / "run" / "domains.csv").write_bytes((tmp_path / "run" / "labels" / "domains.csv").read_bytes())
    commands = re.findall(r"^```sh\n(.*)\n```", PAGE, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["run", "mix", "tokenize", "export", "train.py"]
    for command in commands[1:-1]:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"
    script = re.search(r'^```python\n(""".*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    assert script is not None
    (tmp_path / "train.py").write_text(script[1])
    said = subprocess.run(
        [sys.executable, *shlex.split(commands[-1])[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    losses = [float(loss) for loss in re.findall(r"^step \d+: loss (\S+)$", said, re.MULTILINE)]
    assert len(losses) == 20
    assert losses[-1] < 0.9 * losses[0]
    drawn = re.findall(r"^data/d\d{4}/part-00000 weight (\S+) drawn (\S+)$", said, re.MULTILINE)
    assert len(drawn) == 4
    weights = [entry["weight"] for entry in json.loads(Path("mixture.json").read_text())["domains"]]
    for weight, (told, share) in zip(weights, drawn, strict=True):
        assert float(told) == pytest.approx(weight, abs=1e-4)
        assert abs(float(share) - weight) < 3 * (weight * (1 - weight) / (20 * 64)) ** 0.5
