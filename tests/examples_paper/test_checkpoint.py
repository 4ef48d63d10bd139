import json

import pytest
from safetensors.numpy import load_file, save_file

pytest.importorskip("transformers")
from evaluate_data import write_checkpoint

from nine_tasks.checkpoint import read_checkpoint
from nine_tasks.fault import Fault


@pytest.fixture
def folder(tmp_path):
    return write_checkpoint(tmp_path / "model")


def test_a_checkpoint_is_described_by_its_headers(folder):
    checkpoint = read_checkpoint(folder)
    tensors = load_file(folder / "model.safetensors")
    assert checkpoint.parameters == sum(tensor.size for tensor in tensors.values())
    assert (checkpoint.model_type, checkpoint.end) == ("llama", 0)


def test_the_fingerprint_follows_what_decides_answers(folder, tmp_path):
    first = read_checkpoint(folder).fingerprint()
    assert read_checkpoint(write_checkpoint(tmp_path / "same")).fingerprint() == first
    assert read_checkpoint(write_checkpoint(tmp_path / "other", seed=1)).fingerprint() != first
    (folder / "results.json").write_text("{}")
    assert read_checkpoint(folder).fingerprint() == first
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    assert read_checkpoint(folder).fingerprint() != first


def test_weights_in_several_files_count_together(folder):
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    (folder / "model.safetensors").unlink()
    files = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    weight_map = {name: file for file, part in files.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert read_checkpoint(folder).parameters == sum(tensor.size for tensor in tensors.values())
    (folder / "b.safetensors").unlink()
    with pytest.raises(Fault, match=r"not a whole checkpoint: b\.safetensors is missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_what_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(Fault, match=f"is not a checkpoint: it has no {name}"):
        read_checkpoint(folder)


def test_a_pickle_is_not_opened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(Fault, match=r"pytorch_model\.bin may be a pickle"):
        read_checkpoint(folder)


def test_other_things_are_no_checkpoints(folder, tmp_path):
    with pytest.raises(Fault, match="there is no such folder"):
        read_checkpoint(tmp_path / "none")
    (folder / "config.json").write_text("{")
    with pytest.raises(Fault, match=r"config\.json is damaged"):
        read_checkpoint(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(Fault, match="names no model_type"):
        read_checkpoint(folder)


def test_damaged_weights_are_named(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(Fault, match=r"model\.safetensors is damaged"):
        read_checkpoint(folder)
