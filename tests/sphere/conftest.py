import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sphere_data import clustered


@pytest.fixture(scope="session")
def zipf() -> tuple[np.ndarray, np.ndarray]:
    return clustered(n=2000, d=24, k=8, noise=0.2, seed=0)
