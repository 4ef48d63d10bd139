"""One proxy of DoReMi: group DRO against a reference model (arXiv 2305.10429, Algorithm 1)."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gemix.mix.strategies.doremi import DoReMi, bounded_step, excess_loss
from gemix.proxy.interface import Floats
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.config import Config, Training
from gemix.proxy.transformer.memory import kept_memory
from gemix.proxy.transformer.model import Weights, device_of, token_losses, vocabulary_of
from gemix.proxy.transformer.train import (
    Advance,
    Optimiser,
    failure,
    pieces,
    precision,
    rate_at,
    shares,
    to_device,
)


# As `train`, and what group DRO adds, each with its docstring.
@kept_memory()
def train_group_dro(
    config: Config,
    weights: Weights,
    reference: Weights,
    training: Training,
    batches: Batches,
    budget: int,
    eta: float,
    smoothing: float,
    advance: Advance | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Train one model in place, its loss weighed by domain weights that follow its excess over a reference.

    A step: the excess e_k of a domain is the mean of max(proxy - reference, 0) over its tokens; the weights w move by
    `DoReMi.step`; then the proxy moves down the gradient of the mean loss of sequences, each weighed by w_k / p_k, with
    p the mixture that `batches` draws from: an estimate of sum_k w_k loss_k whatever p is. The factors of a step are
    divided by their sum, as in the authors' code.

    Nine arguments, most of its lines theirs: what `train` takes, and a rule's reference, step and smoothing.

    Args:
        config: sizes of both models.
        weights: parameters of the proxy; on return they are trained.
        reference: parameters of the reference, likewise; they stay.
        training: how.
        batches: of the proxy.
        budget: tokens, rounded up to whole sequences.
        eta: step size of the domain weights, at most (`bounded_step`).
        smoothing: share of uniform weights in every step.
        advance: called with the tokens of every step.

    Returns:
        Weights after each step (T, K), excess of each step (T, K; NaN where a domain was absent), and the mean of the
        weights over steps (K,).

    Raises:
        GemixError: the training diverged.

    """
    k = len(batches.mixture)
    device, vocabulary = device_of(weights), vocabulary_of(weights)
    sequences, steps = training.plan(budget)
    optimiser = Optimiser(weights, training)
    state = DoReMi.start(np.ones(k))
    trajectory, excess = np.empty((steps, k)), np.empty((steps, k))
    for step, n in enumerate(shares(sequences, steps)):
        arrays, domains = batches.next(n)
        windows = to_device(arrays, device)
        parts = [windows[piece] for piece in pieces(config, vocabulary, n, training.context, device)]
        with torch.no_grad(), precision(device):
            wanted = torch.cat([token_losses(config, reference, part) for part in parts])
        losses = _losses(config, weights, parts)
        found = losses.detach()
        if not bool(torch.isfinite(found).all()):
            raise failure("the proxy of DoReMi", step)
        of_tokens = np.repeat(domains, training.context)
        excess[step] = excess_loss(found.flatten().cpu().numpy(), wanted.flatten().cpu().numpy(), of_tokens, k)
        state = state.step(excess[step], bounded_step(eta, k, steps), smoothing)
        trajectory[step] = state.weights
        factors = state.weights[domains] / batches.mixture[domains]
        share = to_device((factors / factors.sum()).astype(np.float32), device)
        (losses.mean(1) * share).sum().backward()
        optimiser.step(rate_at(training, step, steps))
        if advance:
            advance(n * training.context)
    for p in weights.values():
        p.requires_grad_(False)
    return trajectory, excess, state.average


def _losses(config: Config, weights: Weights, parts: list[Tensor]) -> Tensor:
    """Return losses of tokens, (B, T), with one gradient: their weights hang on all of them.

    A batch that does not fit at once is computed in parts whose inside is computed again for the gradient.
    """

    def run(part: Tensor) -> Tensor:
        with precision(device_of(weights)):
            return token_losses(config, weights, part)

    if len(parts) == 1:
        return run(parts[0])
    return torch.cat([checkpoint(run, part, use_reentrant=False) for part in parts])
