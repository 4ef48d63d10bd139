import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from proxy.transformer_corpora import END, VOCABULARY, cycle, noise, proxy_data

from gemix.proxy.transformer import Config, TransformerProxy
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.checkpoint import Model, load_model
from gemix.proxy.transformer.model import initial
from gemix.proxy.transformer.train import rate_at, shares
from gemix.runtime.errors import GemixError

transformers = pytest.importorskip("transformers")

CONFIGS = {
    "plain": Config(2, 32, 4, 4, 48),
    "grouped": Config(3, 48, 6, 2, 80, base=500.0, epsilon=1e-3),
    "tied": Config(2, 32, 4, 2, 48, tied=True),
}


@pytest.fixture(params=CONFIGS)
def model(request) -> Model:
    weights = initial(CONFIGS[request.param], VOCABULARY, 1)
    random = torch.Generator().manual_seed(0)
    for name, p in weights.items():
        if "norm" in name:
            p.normal_(1.0, 0.3, generator=random)
        else:
            p.mul_(3.0)
    return Model(CONFIGS[request.param], VOCABULARY, 40, END, weights)


def ids(*shape: int):
    return torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(2))


def test_hugging_face_loads_the_same_model(model, tmp_path):
    model.save(tmp_path / "model")
    theirs, loading = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(loading.values())
    x = ids(3, 40)
    with torch.no_grad():
        wanted = theirs(x).logits
    assert (model.logits(x) - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert theirs.config.eos_token_id == END
    again = load_model(tmp_path / "model")
    assert again.config == model.config
    assert (again.vocabulary, again.context, again.end) == (VOCABULARY, 40, END)
    assert torch.equal(again.logits(x), model.logits(x))


def test_training_is_what_a_hugging_face_model_would_do(tmp_path):
    """The same batches, optimiser and rates on LlamaForCausalLM lead to the same losses."""
    data = proxy_data({"ring": cycle(2000, 1, 9), "noise": noise(2000, 0, 10)})
    proxy = TransformerProxy(data, CONFIGS["grouped"], batch=4, context=24)
    half = np.array([0.5, 0.5])
    trained = proxy.fit(half, 3000, seed=5)

    start = Model(CONFIGS["grouped"], VOCABULARY, 24, END, initial(CONFIGS["grouped"], VOCABULARY, 5))
    start.save(tmp_path)
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path)
    training, batches = proxy.training, Batches(data, half, 24, 5)
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim == 2], "weight_decay": training.decay},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=training.betas)
    sequences, steps = training.plan(3000)
    for step, n in enumerate(shares(sequences, steps)):
        x = torch.from_numpy(batches.next(n)[0])
        logits = theirs(x[:, :-1]).logits
        torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), x[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), training.clip)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(training, step, steps)
        optimiser.step()
        optimiser.zero_grad()
    x = ids(2, 24)
    with torch.no_grad():
        wanted = torch.log_softmax(theirs(x).logits, -1)
    assert (torch.log_softmax(trained.logits(x), -1) - wanted).abs().max() < 2e-2
    own = TransformerProxy(data, CONFIGS["grouped"], batch=4, context=24).losses(trained)
    theirs.save_pretrained(tmp_path / "theirs")
    values = (tmp_path / "theirs" / "model.safetensors").read_bytes()
    from safetensors.torch import load

    weights = {name: load(values)[name] for name in trained.weights}
    assert proxy.losses(replace(trained, weights=weights)) == pytest.approx(own, abs=1e-3)


def test_a_tokenizer_comes_along(model, tmp_path):
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"<|end|>": 0, "a": 1, "b": 2}, unk_token="b"))
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model.save(tmp_path / "model", tmp_path / "tokenizer.json")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert theirs.eos_token == "<|end|>"
    assert theirs.eos_token_id == END
    assert theirs("a")["input_ids"] == [1]
    with pytest.raises(GemixError, match=r"cannot read .*none\.json"):
        model.save(tmp_path / "model", tmp_path / "none.json")
    (tmp_path / "none.json").write_text("{")
    with pytest.raises(GemixError, match=r"none\.json is not a tokenizer\.json"):
        model.save(tmp_path / "new", tmp_path / "none.json")
    with pytest.raises(GemixError, match="has no token 9, the model's end of text"):
        replace(model, end=9).save(tmp_path / "new", tmp_path / "tokenizer.json")
    assert not (tmp_path / "new").exists()


def test_losses_of_a_loaded_model(model, tmp_path):
    model.save(tmp_path)
    sets = [noise(90), cycle(10, 1, 5)]
    assert np.array_equal(load_model(tmp_path).losses(sets), model.losses(sets))
    assert model.losses(sets).shape == (2,)


def test_files_of_two_models_are_no_model(model, tmp_path):
    model.save(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    weights = {name: p + 1 for name, p in model.weights.items()}
    replace(model, weights=weights).save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    (tmp_path / "config.json").write_bytes(before)
    with pytest.raises(GemixError, match="does not match the checksum"):
        load_model(tmp_path)


def test_damage_is_named(model, tmp_path):
    with pytest.raises(GemixError, match=r"cannot read .*config\.json"):
        load_model(tmp_path)
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 7}))
    with pytest.raises(GemixError, match=r"model\.safetensors does not hold the parameters"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"gemix_schema": 9}))
    with pytest.raises(GemixError, match=r"written by a newer gemix \(schema 9"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(GemixError, match="not a model of gemix: vocab_size"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(GemixError, match=r"cannot read .*model\.safetensors"):
        load_model(tmp_path)
