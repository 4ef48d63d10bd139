"""What `litgpt convert_from_litgpt` writes becomes a folder in the form of Hugging Face, which score.py reads."""

import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

# tiny-llama-1.1b of litgpt.
SIZES = {
    "vocab_size": 32_000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
}
ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>")


def main(weights: Path, tokenizer: Path, out: Path, sizes: dict[str, int | float] = SIZES) -> None:
    """Write the folder."""
    known = Tokenizer.from_file(str(tokenizer))
    end = next((known.token_to_id(token) for token in ENDS if known.token_to_id(token) is not None), None)
    config = LlamaConfig(**sizes, bos_token_id=end, eos_token_id=end, dtype="bfloat16")
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    state = torch.load(weights, map_location="cpu", weights_only=True)  # no other pickle is read
    model.load_state_dict({name: value.to(torch.bfloat16) for name, value in state.items()}, assign=True)
    model.save_pretrained(out)
    shutil.copy(tokenizer, out / "tokenizer.json")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: to_hf.py model.pth tokenizer.json OUT")
    main(*map(Path, sys.argv[1:]))
