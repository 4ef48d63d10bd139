import numpy as np
import pytest
from support import clustered


@pytest.fixture(scope="session")
def zipf() -> tuple[np.ndarray, np.ndarray]:
    return clustered(n=2000, d=24, k=8, noise=0.2, seed=0)
