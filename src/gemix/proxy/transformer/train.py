"""Training of a model on a mixture, by AdamW, and its losses."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gemix.proxy.documents import Tokens
from gemix.proxy.interface import Floats
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.config import Config, Training
from gemix.proxy.transformer.memory import kept_memory
from gemix.proxy.transformer.model import Weights, device_of, token_losses, vocabulary_of
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


def pieces(config: Config, vocabulary: int, sequences: int, context: int, device: str) -> list[slice]:
    """Return a batch in pieces that fit into memory; results depend on it by rounding alone."""
    room = _CPU_ROOM if device == "cpu" else _GPU_SHARE * torch.cuda.get_device_properties(device).total_memory / 4
    # Of a token: logits, their softmax and its gradient; in a layer about 12 arrays of its width, 4 of the MLP's.
    token = 3 * vocabulary + config.layers * (12 * config.width + 4 * config.inner)
    size = max(int(room / (context * token)), 1)
    return [slice(start, start + size) for start in range(0, sequences, size)]


def to_device(array: NDArray[Any], device: str) -> Tensor:
    """Return an array as a tensor; a copy to a GPU does not wait for it."""
    tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def precision(device: str) -> Any:
    """Return the context of a forward pass: bfloat16 on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device != "cpu")


class Optimiser:
    """AdamW, after clipping the gradient."""

    def __init__(self, weights: Weights, training: Training) -> None:
        """Take parameters; they become leaves that collect gradients."""
        self.parameters = [p.requires_grad_() for p in weights.values()]
        self.training = training
        groups = [
            {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": training.decay},
            {"params": [p for p in self.parameters if p.ndim == 1], "weight_decay": 0.0},  # norms
        ]
        self._adam = torch.optim.AdamW(groups, lr=training.rate, betas=training.betas, fused=True)

    def step(self, rate: float) -> Tensor:
        """Clip, move, forget the gradient; return its norm before."""
        gradients = [p.grad for p in self.parameters]
        norm = torch.stack([torch.linalg.vector_norm(g) for g in gradients]).norm()
        factor = (self.training.clip / norm).clamp(max=1.0)
        for g in gradients:
            g.mul_(factor)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return norm


def failure(name: str, step: int) -> GemixError:
    """Return the error of a training that diverged."""
    return GemixError(f"{name}: the loss stopped being finite at step {step + 1}: a smaller learning rate may help")


@kept_memory()
def train(
    config: Config,
    weights: Weights,
    training: Training,
    batches: Batches,
    budget: int,
    name: str,
    advance: Advance | None = None,
) -> None:
    """Train a model in place.

    Args:
        config: sizes of the model.
        weights: parameters; on return they are trained.
        training: how.
        batches: of the model.
        budget: tokens, rounded up to whole sequences.
        name: of the training, in the error.
        advance: called with the tokens of every step.

    Raises:
        GemixError: a loss or a gradient stopped being finite.

    """
    device, vocabulary = device_of(weights), vocabulary_of(weights)
    sequences, steps = training.plan(budget)
    optimiser = Optimiser(weights, training)
    failed = torch.tensor(-1, device=device)  # the first step at which loss or gradient was not finite
    for step, n in enumerate(shares(sequences, steps)):
        windows = to_device(batches.next(n)[0], device)
        loss = torch.zeros((), device=device)
        for piece in pieces(config, vocabulary, n, training.context, device):
            with precision(device):
                part = token_losses(config, weights, windows[piece]).sum() / (n * training.context)
            part.backward()
            loss += part.detach()
        norm = optimiser.step(rate_at(training, step, steps))
        failed = torch.where(~torch.isfinite(loss + norm) & (failed < 0), step, failed)
        if ((step + 1) % _LOOK == 0 or step + 1 == steps) and (first := int(failed)) >= 0:
            raise failure(name, first)
        if advance:
            advance(n * training.context)
    for p in weights.values():
        p.requires_grad_(False)


@kept_memory()
def evaluate(config: Config, weights: Weights, held_out: Sequence[Tokens], end: int, context: int) -> Floats:
    """Return the mean loss of a model on V validation sets, (V,) float64, in nats per token.

    Every token is predicted once. A set is one stream, cut into chunks of `context` tokens; the first token of a chunk
    is predicted from the token before it alone, the last from `context` tokens. An end-of-text token stands before the
    first document.

    Args:
        config: sizes of the model.
        weights: its parameters.
        held_out: V arrays of token ids, none empty.
        end: id of the end-of-text token.
        context: tokens of a chunk.

    """
    device, vocabulary = device_of(weights), vocabulary_of(weights)
    out = np.zeros(len(held_out))
    for v, tokens in enumerate(held_out):
        stream = np.concatenate([[end], tokens]).astype(np.int64)
        chunks = -(-len(tokens) // context)
        padded = np.full(chunks * context + 1, end, np.int64)
        padded[: len(stream)] = stream
        windows = np.lib.stride_tricks.sliding_window_view(padded, context + 1)[::context]
        real = (np.arange(chunks * context) < len(tokens)).reshape(chunks, context)
        for piece in pieces(config, vocabulary, chunks, context, device):
            with torch.no_grad(), precision(device):
                losses = token_losses(config, weights, to_device(windows[piece].copy(), device))
            kept = to_device(real[piece].copy(), device)
            out[v] += float((losses.double() * kept).sum())
        out[v] /= len(tokens)
    return out
