"""A tiny checkpoint and a few questions of each task, in the form of the real data sets."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

TEXTS = ["Question: What do bees make?\nAnswer: honey", "Question: Where do fish live?\nAnswer: in the water"]


def write_checkpoint(folder: Path, seed: int = 0, vocabulary: int | None = None) -> Path:
    """A LLaMA of two layers and its byte-level BPE, in the form of Hugging Face."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary or tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_tasks(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


QUESTIONS = [
    {"question": "What do bees make?", "choices": ["honey", "petrol"], "answer": 0, "example": True},
    {"question": "Where do fish live?", "choices": ["in trees", "in the water", "on the moon"], "answer": 1},
    {"question": "Which is a number?", "choices": ["[1]", "{{blue}}"], "answer": 0, "source": "mine"},
    {"question": "3", "choices": ["4", "5"], "answer": 1},
]

_CHOICES = {"text": ["ice", "fire", "wood", "sand", "salt"], "label": ["A", "B", "C", "D", "E"]}

# A row of each data set and its answer to the first choice, by path and configuration.
ROWS: dict[tuple[str, str | None], dict[str, Any]] = {
    ("allenai/ai2_arc", "ARC-Challenge"): {"question": "What is cold?", "choices": _CHOICES, "answerKey": "A"},
    ("allenai/ai2_arc", "ARC-Easy"): {"question": "What is cold?", "choices": _CHOICES, "answerKey": "A"},
    ("allenai/sciq", None): {
        "support": "Ice is cold.",
        "question": "What is cold?",
        "distractor1": "fire",
        "distractor2": "wood",
        "distractor3": "sand",
        "correct_answer": "ice",
    },
    ("allenai/openbookqa", "main"): {"question_stem": "Cold is", "choices": _CHOICES, "answerKey": "A"},
    ("Rowan/hellaswag", None): {
        "activity_label": "Skating",
        "ctx_a": "A man skates.",
        "ctx_b": "he",
        "endings": ["falls.", "flies.", "sings.", "melts."],
        "label": "0",
    },
    ("baber/piqa", None): {"goal": "Cool a drink", "sol1": "Add ice", "sol2": "Add fire", "label": 0},
    ("tau/commonsense_qa", None): {"question": "What is cold?", "choices": _CHOICES, "answerKey": "A"},
    ("allenai/winogrande", "winogrande_xl"): {
        "sentence": "Ice beat fire because _ was cold.",
        "option1": "ice",
        "option2": "fire",
        "answer": "1",
    },
    ("aps/super_glue", "copa"): {
        "premise": "The drink got cold.",
        "choice1": "Ann added ice.",
        "choice2": "Ann added fire.",
        "question": "cause",
        "label": 0,
    },
}


def load_dataset(path: str, name: str | None = None, **_: Any) -> Any:
    """What `datasets.load_dataset` would give, were the data sets this small."""
    import datasets

    rows = [ROWS[path, name] | {"n": n} for n in range(7)]
    return {split: datasets.Dataset.from_list(rows) for split in ("train", "validation", "test")}
