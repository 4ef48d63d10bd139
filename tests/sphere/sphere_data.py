import numpy as np


def clustered(n: int, d: int, k: int, noise: float, seed: int, skew: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around k random directions, cluster sizes proportional to rank^-skew; and their true clusters."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(k, d))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    share = 1.0 / np.arange(1, k + 1) ** skew
    truth = random.choice(k, n, p=share / share.sum())
    x = centres[truth] + noise * random.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), truth
