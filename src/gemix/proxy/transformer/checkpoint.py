"""One model and its files, in Hugging Face's LLaMA format: `LlamaForCausalLM.from_pretrained(folder)` loads them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from tokenizers import Tokenizer
from torch import Tensor

from gemix.proxy.transformer.config import Config
from gemix.proxy.transformer.model import Weights, logits
from gemix.proxy.transformer.train import evaluate
from gemix.runtime.atomic import atomic_path, write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.records import read_record

SCHEMA: Final = 1


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        config: its sizes.
        vocabulary: number of token ids.
        context: tokens of the sequences it was trained on.
        end: id of the end-of-text token.
        weights: parameters by their Hugging Face names, float32.

    """

    config: Config
    vocabulary: int
    context: int
    end: int
    weights: Weights

    def logits(self, tokens: Tensor) -> Tensor:
        """Return logits of the next token, (B, T, vocabulary), of token ids (B, T)."""
        with torch.no_grad():
            return logits(self.config, self.weights, tokens)

    def losses(self, sets: list[Any]) -> Any:
        """Return the mean loss on sets of token ids, (V,), in nats per token, see `evaluate`."""
        return evaluate(self.config, self.weights, sets, self.end, self.context)

    def save(self, folder: Path, tokenizer: Path | None = None) -> None:
        """Write model.safetensors, tokenizer.json and, last, config.json with the checksum of the weights.

        A folder that holds an older model is replaced file by file: until config.json is there too, `load` refuses it.

        Args:
            folder: made if need be.
            tokenizer: a tokenizer.json to copy beside.

        Raises:
            GemixError: a file cannot be read or written, or the tokenizer is damaged or another model's.

        """
        copied = None if tokenizer is None else self._read_tokenizer(tokenizer)
        weights = {name: p.detach().cpu().contiguous() for name, p in self.weights.items()}
        payload = serialise(weights, {"format": "pt"})
        with atomic_path(folder / "model.safetensors") as tmp:
            tmp.write_bytes(payload)
        if copied is not None:
            content, end = copied
            with atomic_path(folder / "tokenizer.json") as tmp:
                tmp.write_bytes(content)
            described = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end}
            write_json(folder / "tokenizer_config.json", described)
        ours = {"sha256": hashlib.sha256(payload).hexdigest(), "gemix_schema": SCHEMA}
        write_json(folder / "config.json", self._described() | ours)

    def _read_tokenizer(self, path: Path) -> tuple[bytes, str]:
        """Return the file and its end-of-text token."""
        try:
            content = path.read_bytes()
            end = Tokenizer.from_buffer(content).id_to_token(self.end)
        except OSError as error:
            raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
        except Exception as error:  # the library raises plain Exception
            raise GemixError(f"{path} is not a tokenizer.json: {error}") from error
        if end is None:
            raise GemixError(f"{path} has no token {self.end}, the model's end of text: it is another model's")
        return content, end

    def _described(self) -> dict[str, Any]:
        c = self.config
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": c.width,
            "intermediate_size": c.inner,
            "num_hidden_layers": c.layers,
            "num_attention_heads": c.heads,
            "num_key_value_heads": c.kv_heads,
            "head_dim": c.head,
            "hidden_act": "silu",
            "max_position_embeddings": self.context,
            "rms_norm_eps": c.epsilon,
            "rope_theta": c.base,
            "tie_word_embeddings": c.tied,
            "attention_bias": False,
            "mlp_bias": False,
            "bos_token_id": None,
            "eos_token_id": self.end,
            "torch_dtype": "float32",
        }


class _Described(BaseModel):
    """What is needed of config.json."""

    model_config = ConfigDict(extra="ignore")
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool
    eos_token_id: int
    sha256: str
    gemix_schema: int = 1


def load_model(folder: Path, device: str = "cpu") -> Model:
    """Read what `Model.save` wrote.

    Raises:
        GemixError: a file is missing or damaged, or the two are not of one model.

    """
    c = read_record(folder / "config.json", _Described, "a model of gemix")
    if c.gemix_schema > SCHEMA:
        raise GemixError(f"{folder}: written by a newer gemix (schema {c.gemix_schema}, not {SCHEMA}): update gemix")
    path = folder / "model.safetensors"
    try:
        payload = path.read_bytes()
        if hashlib.sha256(payload).hexdigest() != c.sha256:
            raise GemixError(f"{path} does not match the checksum in config.json: save the model again")
        weights = parse(payload)
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise GemixError(f"{path} is damaged: {error}") from error
    config = Config(
        c.num_hidden_layers,
        c.hidden_size,
        c.num_attention_heads,
        c.num_key_value_heads,
        c.intermediate_size,
        c.tie_word_embeddings,
        c.rope_theta,
        c.rms_norm_eps,
    )
    shapes = config.shapes(c.vocab_size)
    if {name: tuple(p.shape) for name, p in weights.items()} != shapes:
        raise GemixError(f"{path} does not hold the parameters that config.json describes")
    weights = {name: weights[name].to(device) for name in shapes}
    return Model(config, c.vocab_size, c.max_position_embeddings, c.eos_token_id, weights)
