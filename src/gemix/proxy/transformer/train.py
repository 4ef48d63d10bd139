"""Training of M models at once, each on its own mixture: AdamW on stacked parameters."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gemix.proxy.dataset import Tokens
from gemix.proxy.interface import Floats
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.config import Config, Training
from gemix.proxy.transformer.model import Weights, token_losses
from gemix.runtime.errors import GemixError

Advance = Callable[[float], None]

# Numbers that a pass keeps for its gradient: 512 MB of float32 on a CPU, 40 % of a GPU's memory.
_CPU_ROOM = 1 << 27
_GPU_SHARE: Final = 0.4
_LOOK: Final = 50  # steps between looks at the losses: a look makes a GPU wait


def rate_at(training: Training, step: int, steps: int) -> float:
    """Return the learning rate of step 0 to `steps` - 1: linear warm-up, then a cosine down to the floor."""
    warm = round(training.warmup * steps)
    if step < warm:
        return training.rate * (step + 1) / warm
    along = (step - warm + 1) / (steps - warm)
    return training.rate * (training.floor + (1 - training.floor) * 0.5 * (1 + math.cos(math.pi * along)))


def shares(sequences: int, steps: int) -> Iterator[int]:
    """Yield the sequences of every step: all in all `sequences`, no two steps further apart than 1."""
    for step in range(steps):
        yield (step + 1) * sequences // steps - step * sequences // steps


def pieces(config: Config, vocabulary: int, members: int, sequences: int, context: int, device: str) -> list[slice]:
    """Return a batch in pieces that fit into memory; results depend on it by rounding alone."""
    room = _CPU_ROOM if device == "cpu" else _GPU_SHARE * torch.cuda.get_device_properties(device).total_memory / 4
    # Of a token: logits, their softmax and its gradient; in a layer about 12 arrays of its width, 4 of the MLP's.
    token = 3 * vocabulary + config.layers * (12 * config.width + 4 * config.inner)
    size = max(int(room / (members * context * token)), 1)
    return [slice(start, start + size) for start in range(0, sequences, size)]


def to_device(array: NDArray[Any], device: str) -> Tensor:
    """Return an array as a tensor; a copy to a GPU does not wait for it."""
    tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def precision(device: str) -> Any:
    """Return the context of a forward pass: bfloat16 on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device != "cpu")


class Optimiser:
    """AdamW for M models: each has its own moments and its own clipped gradient, as if it were alone."""

    def __init__(self, weights: Weights, training: Training) -> None:
        """Take parameters (M, ...); they become leaves that collect gradients."""
        self.parameters = [p.requires_grad_() for p in weights.values()]
        self.training = training
        groups = [
            {"params": [p for p in self.parameters if p.ndim > 2], "weight_decay": training.decay},
            {"params": [p for p in self.parameters if p.ndim == 2], "weight_decay": 0.0},  # norms
        ]
        self._adam = torch.optim.AdamW(groups, lr=training.rate, betas=training.betas, fused=True)

    def step(self, rate: float) -> Tensor:
        """Clip, move, forget the gradients; return their norms before, (M,)."""
        gradients = [p.grad.flatten(1) for p in self.parameters]
        norms = torch.stack([torch.linalg.vector_norm(g, dim=1) for g in gradients]).norm(dim=0)
        factors = (self.training.clip / norms).clamp(max=1.0)
        for g in gradients:
            g.mul_(factors[:, None])
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return norms


class Watch:
    """Remembers the first step at which a model's loss or gradient was not finite."""

    def __init__(self, members: int, device: str) -> None:
        """Begin for M models."""
        self._first = torch.full((members,), -1, dtype=torch.int64, device=device)

    def see(self, step: int, losses: Tensor, norms: Tensor) -> None:
        """Note the losses and the norms of a step, (M,), without waiting for them."""
        bad = ~torch.isfinite(losses + norms) & (self._first < 0)
        self._first = torch.where(bad, step, self._first)

    def failed(self) -> dict[int, int]:
        """Return the first bad step of every model that has one."""
        first = self._first.cpu().numpy()
        return {int(m): int(first[m]) for m in np.flatnonzero(first >= 0)}


def failure(name: str, step: int) -> GemixError:
    """Return the error of a training that diverged."""
    return GemixError(f"{name}: the loss stopped being finite at step {step + 1}: a smaller learning rate may help")


def train(
    config: Config,
    vocabulary: int,
    weights: Weights,
    training: Training,
    batches: Sequence[Batches],
    budget: int,
    device: str,
    advance: Advance | None = None,
) -> dict[int, int]:
    """Train M models in place on `budget` tokens each.

    Args:
        config: sizes of the models.
        vocabulary: number of token ids.
        weights: parameters (M, ...) on `device`; on return they are trained.
        training: how.
        batches: of each model.
        budget: tokens, rounded up to whole sequences.
        device: of torch.
        advance: called with the tokens of every step, of all models together.

    Returns:
        Models that diverged, with the step at which they did; the others are not touched by that.

    """
    members = len(batches)
    sequences, steps = training.plan(budget)
    optimiser, watch = Optimiser(weights, training), Watch(members, device)
    for step, n in enumerate(shares(sequences, steps)):
        windows = to_device(np.stack([b.next(n)[0] for b in batches]), device)
        losses = torch.zeros(members, device=device)
        for piece in pieces(config, vocabulary, members, n, training.context, device):
            with precision(device):
                part = token_losses(config, weights, windows[:, piece]).sum((1, 2)) / (n * training.context)
            part.sum().backward()  # of M models that share nothing: each gets its own gradient
            losses += part.detach()
        watch.see(step, losses, optimiser.step(rate_at(training, step, steps)))
        if (step + 1) % _LOOK == 0 and len(watch.failed()) == members:
            break
        if advance:
            advance(members * n * training.context)
    for p in weights.values():
        p.requires_grad_(False)
    return watch.failed()


def evaluate(
    config: Config,
    vocabulary: int,
    weights: Weights,
    held_out: Sequence[Tokens],
    end: int,
    context: int,
    device: str,
) -> Floats:
    """Return the mean loss of M models on V validation sets, (M, V) float64, in nats per token.

    Every token is predicted once. A set is one stream, cut into chunks of `context` tokens; the first token of a chunk
    is predicted from the token before it alone, the last from `context` tokens. An end-of-text token stands before the
    first document.

    Args:
        config: sizes of the models.
        vocabulary: number of token ids.
        weights: parameters (M, ...) on `device`.
        held_out: V arrays of token ids, none empty.
        end: id of the end-of-text token.
        context: tokens of a chunk.
        device: of torch.

    """
    members = len(weights["model.norm.weight"])
    out = np.zeros((members, len(held_out)))
    for v, tokens in enumerate(held_out):
        stream = np.concatenate([[end], tokens]).astype(np.int64)
        chunks = -(-len(tokens) // context)
        padded = np.full(chunks * context + 1, end, np.int64)
        padded[: len(stream)] = stream
        windows = np.lib.stride_tricks.sliding_window_view(padded, context + 1)[::context]
        real = (np.arange(chunks * context) < len(tokens)).reshape(chunks, context)
        for piece in pieces(config, vocabulary, members, chunks, context, device):
            part = to_device(windows[piece].copy(), device).expand(members, -1, -1)
            with torch.no_grad(), precision(device):
                losses = token_losses(config, weights, part)
            kept = to_device(real[piece].copy(), device)
            out[:, v] += (losses.double() * kept).sum((1, 2)).cpu().numpy()
        out[:, v] /= len(tokens)
    return out
