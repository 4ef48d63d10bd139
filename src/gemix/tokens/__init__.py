"""The tokenizer and the counting of tokens."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.tokens.counter import TokenCounter, token_counter
    from gemix.tokens.tokenizer import load_tokenizer, train_tokenizer

_FILES: Final = {
    "TokenCounter": "counter",
    "load_tokenizer": "tokenizer",
    "token_counter": "counter",
    "train_tokenizer": "tokenizer",
}
__all__ = ["TokenCounter", "load_tokenizer", "token_counter", "train_tokenizer"]
__getattr__ = offered(__name__, _FILES)
