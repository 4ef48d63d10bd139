"""The tokenizer and the counting of tokens."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.tokens.choose import write_tokenizer
    from gemix.tokens.counter import TokenCounter
    from gemix.tokens.tokenizer import load_tokenizer, train_tokenizer

_FILES: Final = {
    "TokenCounter": "counter",
    "load_tokenizer": "tokenizer",
    "train_tokenizer": "tokenizer",
    "write_tokenizer": "choose",
}
__all__ = ["TokenCounter", "load_tokenizer", "train_tokenizer", "write_tokenizer"]
__getattr__ = offered(__name__, _FILES)
