import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from proxy.transformer_corpora import END, VOCABULARY, cycle, noise, proxy_data

from gemix.proxy.interface import Proxy
from gemix.proxy.transformer import PRESETS, Config, Training, TransformerProxy
from gemix.proxy.transformer import proxy as proxy_module
from gemix.proxy.transformer import train as training_module
from gemix.proxy.transformer.model import hidden, initial, logits, token_losses
from gemix.proxy.transformer.train import Optimiser, evaluate, rate_at, shares
from gemix.runtime.errors import GemixError

GROUPED = Config(2, 32, 4, 2, 48)


@pytest.fixture(scope="module")
def data():
    return proxy_data({"ring": cycle(4000, 1, 9), "noise": noise(4000, 0, 10)})


def tokens(*shape: int, seed: int = 0):
    return torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_parameters_that_are_counted(name):
    config, training = PRESETS[name]
    shapes = config.shapes(50_432)
    assert config.parameters(50_432) == sum(math.prod(s) for s in shapes.values())
    inside = config.parameters(50_432, embeddings=False)
    assert inside == config.parameters(50_432) - (1 if config.tied else 2) * 50_432 * config.width
    assert training.context >= 64
    wanted = {"1m": 1.3e6, "15m": 15.7e6, "60m": 59e6, "280m": 227e6, "1.1b": 969e6}
    if name in wanted:
        assert inside == pytest.approx(wanted[name], rel=0.02)


def test_no_token_sees_a_later_one():
    weights = initial(GROUPED, VOCABULARY, 0)
    x = tokens(2, 12)
    y = x.clone()
    y[1, 7:] = (y[1, 7:] + 1) % VOCABULARY
    a, b = (logits(GROUPED, weights, part) for part in (x, y))
    assert torch.allclose(a[0], b[0], atol=1e-6)
    assert torch.allclose(a[1, :7], b[1, :7], atol=1e-6)
    assert (a[1, 7:] - b[1, 7:]).abs().amax(-1).min() > 1e-3


def test_positions_count():
    weights = initial(GROUPED, VOCABULARY, 0)
    x = hidden(GROUPED, weights, torch.tensor([[3, 4, 5], [4, 3, 5]])).view(2, 3, -1)
    assert (x[0, 2] - x[1, 2]).abs().max() > 1e-3


def test_a_first_model_knows_nothing():
    losses = token_losses(GROUPED, initial(GROUPED, VOCABULARY, 0), tokens(8, 33))
    assert losses.shape == (8, 32)
    assert losses.mean().item() == pytest.approx(math.log(VOCABULARY), abs=0.35)


def test_the_rate_rises_and_falls():
    training = Training(rate=1e-2, warmup=0.1, floor=0.1)
    rates = [rate_at(training, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) * 1e-3)
    assert np.all(np.diff(rates[9:]) < 0)
    assert rates[-1] == pytest.approx(1e-3)
    assert [rate_at(replace(training, warmup=0.0), 0, 1)] == pytest.approx([1e-3])


@pytest.mark.parametrize(
    ("budget", "batch", "sequences", "steps"),
    [(1, None, 1, 1), (64, None, 1, 1), (65, 4, 2, 1), (640, 4, 10, 3), (10**9, None, 15_625_000, 30518)],
)
def test_a_budget_is_spent_in_whole_sequences(budget, batch, sequences, steps):
    assert Training(context=64, batch=batch).plan(budget) == (sequences, steps)
    if steps < 100:
        sizes = list(shares(sequences, steps))
        assert sum(sizes) == sequences
        assert max(sizes) - min(sizes) <= 1


def test_a_billion_tokens_of_2048_are_the_thousand_steps_of_regmix():
    assert Training(context=2048).plan(1_048_576_000) == (512_000, 1000)


def test_it_learns_what_can_be_learnt(data):
    proxy = TransformerProxy(data, "tiny", batch=8, context=32)
    assert isinstance(proxy, TransformerProxy)
    losses = proxy.train(np.array([0.5, 0.5]), 30_000)
    assert losses.shape == (2,)
    assert losses[0] < 0.1
    assert losses[1] == pytest.approx(math.log(VOCABULARY - 10), abs=0.1)


def test_a_trained_mixture_is_the_same_every_time_and_depends_on_all_it_should(data):
    proxy = TransformerProxy(data, "tiny", batch=8, context=32)
    half = np.array([0.5, 0.5])
    first = proxy.train(half, 4000)
    assert np.array_equal(first, proxy.train(half, 4000))
    assert not np.array_equal(first, proxy.train(half, 4000, seed=1))
    assert not np.array_equal(first, proxy.train(np.array([0.4, 0.6]), 4000))
    assert not np.array_equal(first, proxy.train(half, 5000))
    assert proxy.epochs(half, 4000) == pytest.approx([0.5, 0.5])


def test_a_batch_in_pieces_trains_the_same_model(data, monkeypatch):
    proxy = TransformerProxy(data, "tiny", batch=8, context=32)
    whole = proxy.train(np.array([0.5, 0.5]), 8000)
    monkeypatch.setattr(training_module, "_CPU_ROOM", 3 * 32 * 1000)
    config = PRESETS["tiny"][0]
    assert [(p.start, p.stop) for p in training_module.pieces(config, VOCABULARY, 8, 32, "cpu")][:2] == [
        (0, 3),
        (3, 6),
    ]
    assert proxy.train(np.array([0.5, 0.5]), 8000) == pytest.approx(whole, abs=1e-3)


@pytest.mark.parametrize("n", [1, 16, 17, 50])
def test_evaluation_predicts_every_token_once_in_chunks(n):
    weights = initial(GROUPED, VOCABULARY, 3)
    stream = noise(n, 5)
    found = evaluate(GROUPED, weights, [stream, stream[:1]], END, 16)
    total, before = 0.0, END
    for start in range(0, n, 16):
        chunk = stream[start : start + 16]
        x = torch.tensor(np.concatenate([[before], chunk]))
        p = torch.log_softmax(logits(GROUPED, weights, x[None, :-1])[0], -1)
        total -= p[torch.arange(len(chunk)), x[1:]].sum().item()
        before = chunk[-1]
    assert found.shape == (2,)
    assert found[0] == pytest.approx(total / n, rel=1e-5)


def test_the_proxy_says_what_decides_its_losses(data):
    proxy: Proxy = TransformerProxy(data, "tiny", context=32, rate=1e-3)
    assert list(proxy.domains) == ["ring", "noise"]
    assert list(proxy.valid) == ["ring", "noise"]
    facts = proxy.facts
    assert facts["model"]["width"] == 32
    assert facts["training"]["context"] == 32
    assert facts["training"]["rate"] == 1e-3
    assert facts["data"] == "test"
    assert facts == TransformerProxy(data, "tiny", context=32, rate=1e-3).facts
    assert facts != TransformerProxy(data, "tiny", context=32, rate=2e-3).facts


def test_a_step_is_torchs_adamw_after_its_clipping():
    """With gradients small and large."""
    training = Training(rate=1e-2, decay=0.3)
    ours = initial(GROUPED, VOCABULARY, 0)
    theirs = {name: p.clone().requires_grad_() for name, p in ours.items()}
    groups = [
        {"params": [p for p in theirs.values() if p.ndim == 2], "weight_decay": 0.3},
        {"params": [p for p in theirs.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimiser, wanted = Optimiser(ours, training), torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    for step, scale in enumerate((0.01, 1.0, 50.0, 1.0)):
        x = tokens(2, 17, seed=step)
        for weights in (ours, theirs):
            (token_losses(GROUPED, weights, x).mean() * scale).backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs.values(), 1.0)
        assert optimiser.step(1e-2).item() == pytest.approx(norm.item(), rel=1e-4)
        wanted.step()
        wanted.zero_grad()
    for name, p in theirs.items():
        assert torch.allclose(ours[name], p, atol=2e-5), name


def test_models_of_a_call_are_the_models_alone(data):
    proxy = TransformerProxy(data, GROUPED, batch=6, context=24)
    mixtures = np.array([[1, 0], [0.2, 0.8], [0.6, 0.4]])
    told: list[float] = []
    found = list(proxy.train_many(mixtures, 1000, [0, 1, 0], told.append))
    assert [row for row, _ in found] == [0, 1, 2]
    for (_, losses), mixture, seed in zip(found, mixtures, (0, 1, 0), strict=True):
        assert np.array_equal(losses, proxy.train(mixture, 1000, seed))
    assert sum(told) == 3 * 24 * -(-1000 // 24)


def test_models_before_one_that_diverges_are_told(data, monkeypatch):
    def spoilt(config, vocabulary, seed, device="cpu"):
        weights = initial(config, vocabulary, seed, device)
        if seed == 2:
            weights["model.norm.weight"][:] = float("nan")
        return weights

    monkeypatch.setattr(proxy_module, "initial", spoilt)
    found = TransformerProxy(data, GROUPED, batch=6, context=24).train_many(np.full((3, 2), 0.5), 500, [0, 1, 2])
    assert [next(found)[0], next(found)[0]] == [0, 1]
    with pytest.raises(GemixError, match=r"run 2 \(seed 2\): the loss stopped being finite at step 1"):
        next(found)


def test_a_training_that_diverges_is_named(data):
    proxy = TransformerProxy(data, "tiny", batch=8, context=32, rate=1e30)
    with pytest.raises(GemixError, match=r"run 0 \(seed 5\): the loss stopped being finite at step \d+: a smaller"):
        list(proxy.train_many(np.array([[0.5, 0.5]]), 4000, [5]))
    with pytest.raises(GemixError, match="the run with seed 0: the loss stopped"):
        proxy.train(np.array([0.5, 0.5]), 4000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "2m"}, "no transformer is called '2m'; there are tiny, 1m"),
        ({"context": 0}, "context and batch are at least 1"),
        ({"batch": 0}, "context and batch are at least 1"),
        ({"rate": 0.0}, "rate and clip must be positive"),
        ({"device": "warp"}, "there is no device 'warp'"),
        ({"device": "meta"}, "cpu or cuda, not on 'meta'"),
    ],
)
def test_bad_options_are_refused(data, options, message):
    with pytest.raises(GemixError, match=message):
        TransformerProxy(data, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(data):
    with pytest.raises(GemixError, match="torch finds no GPU"):
        TransformerProxy(data, device="cuda")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 30, 2, 2, 8), "an even size"),
        ((1, 32, 4, 3, 8), "4 query heads cannot share 3"),
        ((0, 32, 4, 4, 8), "layers of at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(GemixError, match=message):
        Config(*sizes)


def test_bad_inputs_are_refused(data):
    proxy = TransformerProxy(data, "tiny")
    with pytest.raises(GemixError, match="a budget of 0 tokens"):
        proxy.train(np.array([0.5, 0.5]), 0)
    with pytest.raises(GemixError, match="2 mixtures need as many seeds, not 1"):
        list(proxy.train_many(np.full((2, 2), 0.5), 10, [0]))
    with pytest.raises(GemixError, match="shape"):
        list(proxy.train_many(np.array([0.5, 0.5]), 10))
    with pytest.raises(GemixError, match="no validation text: 'v'"):
        TransformerProxy(proxy_data({"a": cycle(9, 1, 3)}, {"v": cycle(0, 1, 3)}))


def test_the_command_line_loads_no_torch():
    code = "import sys, gemix.proxy.interface, gemix.proxy.dataset, gemix.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
