"""Whether a metric improves as it falls or as it rises, where its name says so."""

import re
from typing import Final, Literal

Direction = Literal["down", "up"]

# Whole words of a name, or what words begin or end with.
_DOWN: Final = frozenset(
    [
        "loss",
        "losses",
        "nll",
        "ce",
        "xent",
        "ppl",
        "perplexity",
        "bpb",
        "bpc",
        "bits",
        "nats",
        "error",
        "errors",
        "err",
        "wer",
        "cer",
        "mse",
        "mae",
        "rmse",
    ]
)
_UP: Final = frozenset(
    [
        "acc",
        "accuracy",
        "f1",
        "em",
        "exact",
        "match",
        "auc",
        "auroc",
        "bleu",
        "rouge",
        "chrf",
        "pass",
        "score",
        "scores",
        "win",
        "winrate",
        "reward",
        "recall",
        "precision",
        "mcc",
        "correlation",
    ]
)


def direction(name: str) -> Direction | None:
    """Return the direction in which a metric of this name improves; None: the name says nothing, or both.

    The name is read as words: "valid_loss", "arc/acc_norm", "HumanEval pass@1", "eval.bpb".
    """
    words = re.findall(r"[a-z]+[0-9]*", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    down, up = any(word in _DOWN for word in words), any(word in _UP for word in words)
    return None if down == up else "down" if down else "up"
