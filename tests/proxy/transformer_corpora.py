"""Small token corpora with known structure."""

import numpy as np

from gemix.proxy.dataset import Part, ProxyData, token_type

VOCABULARY, END = 64, 0


def proxy_data(domains: dict[str, np.ndarray], valid: dict[str, np.ndarray] | None = None) -> ProxyData:
    """Domains and validation sets (by default a piece of every domain) in memory."""
    held = valid or {name: tokens[:500] for name, tokens in domains.items()}
    kind = token_type(VOCABULARY)

    def parts(sets: dict[str, np.ndarray]) -> list[Part]:
        return [Part(name=n, documents=int((t == END).sum()), tokens=len(t), bytes=4 * len(t)) for n, t in sets.items()]

    train, held_out = ([t.astype(kind) for t in sets.values()] for sets in (domains, held))
    return ProxyData(VOCABULARY, END, parts(domains), train, parts(held), held_out, "test")


def noise(n: int, seed: int = 0, low: int = 1, high: int = VOCABULARY) -> np.ndarray:
    """Tokens that nothing predicts."""
    return np.random.default_rng(seed).integers(low, high, n)


def cycle(n: int, low: int, length: int) -> np.ndarray:
    """One token after another in a ring of `length`: the last token tells the next."""
    return low + np.arange(n) % length


def second_order(n: int, seed: int, low: int, length: int) -> np.ndarray:
    """A token that the two before it decide, by a table, with new starts now and then: the last alone tells nothing."""
    random = np.random.default_rng(seed)
    table = np.stack([random.permutation(length) for _ in range(length)])
    out = random.integers(length, size=n)
    for i in range(2, n):
        if i % 50 > 1:
            out[i] = table[out[i - 2], out[i - 1]]
    return low + out
