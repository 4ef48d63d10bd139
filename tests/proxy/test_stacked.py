import numpy as np
import pytest
import torch
from proxy.transformer_corpora import VOCABULARY, cycle, noise, proxy_data, second_order

from gemix.proxy.transformer import Config, Training, TransformerProxy
from gemix.proxy.transformer import proxy as proxy_module
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.model import initial, token_losses
from gemix.proxy.transformer.train import Optimiser, train
from gemix.runtime.errors import GemixError

CONFIG = Config(2, 32, 4, 2, 48)
MIXTURES = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3]])
SEEDS = [0, 1, 2, 0, 0]


@pytest.fixture(scope="module")
def data():
    return proxy_data({"ring": cycle(3000, 1, 9), "pairs": second_order(3000, 0, 10, 10), "noise": noise(3000, 1, 20)})


def test_models_together_are_the_models_alone(data):
    def losses(members):
        proxy = TransformerProxy(data, CONFIG, batch=6, context=24, members=members)
        found = list(proxy.train_many(MIXTURES, 2500, SEEDS))
        assert [row for row, _ in found] == list(range(5))
        return np.array([values for _, values in found])

    alone = losses(1)
    assert len(np.unique(alone[:, 0])) == 5
    for members in (2, 5):
        assert np.abs(losses(members) - alone).max() < 1e-3


def test_a_step_is_what_torch_does_for_one_model(data):
    """AdamW and clipping against torch's own on every model by itself, with gradients small and large."""
    training = Training(rate=1e-2, decay=0.3)
    weights = initial(CONFIG, VOCABULARY, [0, 1, 2])
    alone = [{name: p[m : m + 1].clone().requires_grad_() for name, p in weights.items()} for m in range(3)]
    together = Optimiser(weights, training)
    optimisers = [
        torch.optim.AdamW(
            [
                {"params": [p for p in member.values() if p.ndim > 2], "weight_decay": 0.3},
                {"params": [p for p in member.values() if p.ndim == 2], "weight_decay": 0.0},
            ],
            lr=1e-2,
            betas=(0.9, 0.95),
        )
        for member in alone
    ]
    scales = torch.tensor([0.01, 1.0, 50.0])
    random = torch.Generator().manual_seed(0)
    for _ in range(4):
        x = torch.randint(0, VOCABULARY, (3, 2, 17), generator=random)
        (token_losses(CONFIG, weights, x).mean((1, 2)) * scales).sum().backward()
        norms = together.step(1e-2)
        for m, (member, optimiser) in enumerate(zip(alone, optimisers, strict=True)):
            (token_losses(CONFIG, member, x[m : m + 1]).mean() * scales[m]).backward()
            norm = torch.nn.utils.clip_grad_norm_(member.values(), 1.0)
            assert norms[m].item() == pytest.approx(norm.item(), rel=1e-4)
            optimiser.step()
            optimiser.zero_grad()
    for m, member in enumerate(alone):
        for name, p in member.items():
            assert torch.allclose(weights[name][m], p[0], atol=2e-5), name


def test_the_company_changes_no_batch(data):
    """Batches are drawn for each model by itself."""

    def read(mixtures):
        batches = [Batches(data, w, 24, seed) for w, seed in zip(mixtures, SEEDS, strict=False)]
        return [np.stack([b.next(4)[0] for b in batches]) for _ in range(3)]

    for one, many in zip(read(MIXTURES[:1]), read(MIXTURES), strict=True):
        assert np.array_equal(one[0], many[0])


def test_one_that_diverges_leaves_the_others_alone(data):
    weights = initial(CONFIG, VOCABULARY, [0, 0])
    weights["model.norm.weight"][1] = float("inf")
    both = [Batches(data, MIXTURES[4], 24, 0) for _ in range(2)]
    failed = train(CONFIG, VOCABULARY, weights, Training(context=24, batch=4), both, 2000, "cpu")
    assert failed == {1: 0}
    alone = initial(CONFIG, VOCABULARY, [0])
    train(CONFIG, VOCABULARY, alone, Training(context=24, batch=4), [Batches(data, MIXTURES[4], 24, 0)], 2000, "cpu")
    for name, p in alone.items():
        assert torch.allclose(weights[name][0], p[0], atol=1e-4), name


def test_the_good_of_a_group_are_told_before_the_error(data, monkeypatch):
    def spoilt(config, vocabulary, seeds, device="cpu"):
        weights = initial(config, vocabulary, seeds, device)
        weights["model.norm.weight"][[seed == 2 for seed in seeds]] = float("nan")
        return weights

    monkeypatch.setattr(proxy_module, "initial", spoilt)
    proxy = TransformerProxy(data, CONFIG, batch=6, context=24, members=3)
    found = proxy.train_many(MIXTURES, 500, SEEDS)
    assert [next(found)[0], next(found)[0]] == [0, 1]
    with pytest.raises(GemixError, match=r"run 2 \(seed 2\): the loss stopped being finite at step 1"):
        next(found)


def test_tokens_are_told_as_they_are_trained_on(data):
    told: list[float] = []
    proxy = TransformerProxy(data, CONFIG, batch=6, context=24, members=2)
    list(proxy.train_many(MIXTURES[:3], 1000, advance=told.append))
    assert sum(told) == 3 * 24 * -(-1000 // 24)
