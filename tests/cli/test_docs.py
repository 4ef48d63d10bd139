"""What the pages tell a reader to type does run, block by block, in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/mix-your-runs.md", "docs/mix-proxies.md")


def blocks(page: Path) -> list[str]:
    """Return the shell blocks of a page; one behind `<!-- skip: reason -->` is left out."""
    found = re.findall(r"^(<!-- skip: .+ -->\n)?```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for skip, text in found if not skip]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    texts = blocks(ROOT / page)
    assert texts
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": paths, "PYTHONPATH": os.pathsep.join(sys.path)}
    for text in texts:
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", text],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
