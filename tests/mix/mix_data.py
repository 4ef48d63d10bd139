"""Data that several tests of mixing make."""

import numpy as np
from hypothesis import strategies as st

from gemix.mix.box import Box, make_box

COUNTER = "0123456789abcdef"
TRUTH = np.array([1.0, 2.0, 4.0])  # losses of three domains, of which a mixture has the mean


@st.composite
def boxes(draw, most: int = 30) -> Box:
    k = draw(st.integers(1, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centre = random.dirichlet(np.full(k, draw(st.sampled_from([0.05, 1.0, 20.0]))))
    floor = centre * random.uniform(0, 1, k) * draw(st.sampled_from([0.0, 0.5, 1.0]))
    cap = np.minimum(centre + random.exponential(draw(st.sampled_from([1e-6, 0.1, 2.0])), k), 1.0)
    if k == 1:
        cap[:] = 1.0
    return make_box([f"d{i}" for i in range(k)], np.minimum(floor, cap), np.maximum(cap, centre))


class Linear:
    """A surrogate that knows the truth: y = w . c."""

    def __init__(self, coefficients) -> None:
        self.coefficients = np.asarray(coefficients, float)

    def predict(self, mixtures):
        return mixtures @ self.coefficients, np.zeros(len(mixtures))
