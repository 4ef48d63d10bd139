"""Token data read by the trainers' own code where that is installed; `make test-trainers` has it all."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from export_data import mixture
from installed import need, need_streaming
from token_data import Document, make_corpus, read_data, wide

from gemix.trainers import DataIndex, TokenizeSettings, export_mixture, tokenize_corpus
from gemix.trainers.swarm import FILES, script


@pytest.fixture(params=[False, True], ids=["16 bits", "32 bits"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return a function that writes data in a layout and returns index and documents."""
    shards, labels, tokenizer = make_corpus(tmp_path, 600)
    if request.param:
        tokenizer = wide(tokenizer, tmp_path / "wide.json")

    def write(layout: str) -> tuple[DataIndex, dict[str, list[Document]]]:
        settings = TokenizeSettings(layout, tokenizer, file_bytes=20_000)
        index = tokenize_corpus(shards, labels, tmp_path / "data", settings)
        return index, read_data(tmp_path / "data", index)

    return write


def test_megatron_reads_every_document(make: Any, tmp_path: Path) -> None:
    indexed = need("megatron.core.datasets.indexed_dataset")
    index, documents = make("megatron")
    for domain in index.domains:
        found = []
        for file in domain.files:
            data = indexed.IndexedDataset(str(tmp_path / "data" / file.path))
            assert (len(data), int(data.sequence_lengths.sum())) == (file.documents, file.tokens)
            assert data.document_indices.tolist() == list(range(file.documents + 1))
            found += [tuple(data[i].tolist()) for i in range(len(data))]
        assert found == documents[domain.name]


def test_megatron_blends_domains(make: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need("megatron.core.datasets.indexed_dataset")
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.utils import get_blend_from_list

    index, documents = make("megatron")
    export_mixture(mixture(0.1, 0.2, 0.3, 0.4), "megatron", tmp_path / "blend", data=tmp_path / "data")
    words = (tmp_path / "blend").read_text().split()

    class Tokenizer:
        """What Megatron asks a tokenizer for."""

        eod = index.end
        pad = index.end
        vocab_size = index.vocabulary
        unique_identifiers = {"class": "Tokenizer"}  # noqa: RUF012

    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=32,
        blend=get_blend_from_list(words),
        split="1,0,0",
        path_to_cache=str(tmp_path / "cache"),
        tokenizer=Tokenizer(),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        mid_level_dataset_surplus=0.005,
    )
    dist = need("torch.distributed")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    request.addfinalizer(dist.destroy_process_group)
    train, _, _ = BlendedMegatronDatasetBuilder(GPTDataset, [200, 0, 0], lambda: True, config).build()
    known = {token for every in documents.values() for document in every for token in document}
    counts: Counter[int] = Counter(int(train.dataset_index[i]) for i in range(200))
    owners = [k for k, domain in enumerate(index.domains) for _ in domain.files]
    shares = np.zeros(4)
    for file, count in counts.items():
        shares[owners[file]] += count / 200
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)
    for i in range(0, 200, 20):
        tokens = train[i]["tokens"]
        assert len(tokens) == 32
        assert set(tokens.tolist()) <= known


def test_olmo_core_reads_every_document(make: Any, tmp_path: Path) -> None:
    data = need("olmo_core.data")
    index, documents = make("olmo-core")
    tokenizer = data.TokenizerConfig(vocab_size=index.vocabulary, eos_token_id=index.end, pad_token_id=index.end)
    for domain in index.domains:
        paths = [str(tmp_path / "data" / file.path) for file in domain.files]
        config = data.NumpyFSLDatasetConfig(
            tokenizer=tokenizer, paths=paths, sequence_length=16, work_dir=str(tmp_path / "work")
        )
        dataset = config.build()
        dataset.prepare()
        assert config.get_dtype() == np.dtype(index.dtype)
        expected = []
        for file in domain.files:  # sequences do not run over the end of a file
            tokens = np.fromfile(tmp_path / "data" / file.path, index.dtype)
            expected += tokens[: len(tokens) // 16 * 16].reshape(-1, 16).tolist()
        assert [dataset[i]["input_ids"].tolist() for i in range(len(dataset))] == expected
        from olmo_core.data.utils import iter_document_indices

        bounds = [
            pair
            for path in paths
            for pair in iter_document_indices(path, eos_token_id=index.end, dtype=np.dtype(index.dtype).type)
        ]
        assert [b - a for a, b in bounds] == [len(document) for document in documents[domain.name]]


def test_olmo_core_builds_the_mixture(make: Any, tmp_path: Path) -> None:
    source_mixture = need("olmo_core.data.source_mixture")
    index, _ = make("olmo-core")
    budget = 2 * sum(domain.tokens for domain in index.domains)  # the smallest domain repeats
    told = mixture(0.1, 0.2, 0.3, 0.4, budget_tokens=budget)
    drawn = export_mixture(told, "olmo-core", tmp_path / "sources.yaml", data=tmp_path / "data", max_epochs=1)
    assert max(domain.epochs or 0 for domain in drawn) > 3
    config = source_mixture.SourceMixtureDatasetConfig(
        source_list=source_mixture.SourceMixtureList.from_yaml(str(tmp_path / "sources.yaml")),
        requested_tokens=budget,
        global_batch_size=64 * 16,
        quiet=True,
        render_tables=False,
    )
    dataset = config.build(npdtype=np.dtype(index.dtype).type, sequence_length=64)
    tokens = [sum(part.tokens for part in source.path_tokens) for source in dataset.sources]
    assert [n / sum(tokens) for n in tokens] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.005)  # of 1,000 sequences


def test_streaming_draws_the_mixture(make: Any, tmp_path: Path) -> None:
    streaming = need_streaming()
    index, _ = make("mds")
    export_mixture(mixture(0.1, 0.2, 0.3, 0.4), "mosaicml-streaming", tmp_path / "s.yaml", data=tmp_path / "data")
    streams = [streaming.Stream(**arguments) for arguments in yaml.safe_load((tmp_path / "s.yaml").read_text())]
    sizes = np.array([domain.documents for domain in index.domains])
    streaming.Stream.apply_weights(streams, sizes, choose_per_epoch=10_000, seed=0)
    drawn = [
        stream.choose * domain.tokens / domain.documents for stream, domain in zip(streams, index.domains, strict=True)
    ]
    assert [n / sum(drawn) for n in drawn] == pytest.approx([0.1, 0.2, 0.3, 0.4], rel=0.01)


def test_streaming_reads_every_document(make: Any, tmp_path: Path) -> None:
    streaming = need_streaming()
    index, documents = make("mds")
    for domain in index.domains:
        data = streaming.StreamingDataset(local=str(tmp_path / "data" / domain.folder), shuffle=False, batch_size=1)
        assert data.num_samples == domain.documents
        found = [data[i]["tokens"] for i in range(domain.documents)]
        assert {tokens.dtype for tokens in found} == {np.dtype(index.dtype)}
        assert [tuple(tokens.tolist()) for tokens in found] == documents[domain.name]


def test_streaming_would_write_the_same_shard(make: Any, tmp_path: Path) -> None:
    streaming = need_streaming()
    index, documents = make("mds")
    columns, out = {"tokens": f"ndarray:{index.dtype}"}, str(tmp_path / "own")
    with streaming.MDSWriter(out=out, columns=columns, size_limit=None) as writer:
        for document in documents["sport"]:
            writer.write({"tokens": np.array(document, index.dtype)})
    (file,) = index.domains[3].files
    assert (tmp_path / "own" / "shard.00000.mds").read_bytes() == (tmp_path / "data" / file.path).read_bytes()
    assert (tmp_path / "own" / "index.json").read_text() == (
        tmp_path / "data" / "d0003" / "index.json"
    ).read_text().rstrip()


def test_datatrove_reads_every_document(make: Any, tmp_path: Path) -> None:
    datasets = need("datatrove.utils.dataset")
    need("torch")
    index, documents = make("datatrove")
    for domain in index.domains:
        size = np.dtype(index.dtype).itemsize
        data = datasets.DatatroveFolderDataset(
            str(tmp_path / "data" / domain.folder), 15, token_size=size, return_positions=True
        )
        expected = []
        for file in domain.files:
            tokens = np.fromfile(tmp_path / "data" / file.path, index.dtype)
            expected += tokens[: len(tokens) // 16 * 16].reshape(-1, 16).tolist()
        found = [data[i] for i in range(len(data))]
        assert [item["input_ids"].tolist() for item in found] == expected
        starts = sum(int((item["positions"] == 0).sum()) for item in found)
        assert starts >= domain.documents - len(domain.files)
        assert sum(map(len, documents[domain.name])) == domain.tokens


def test_megatron_splits_off_the_first_documents(make: Any, tmp_path: Path) -> None:
    """As the pools of a swarm are cut: `--split` of a share, nothing, and the rest."""
    need("megatron.core.datasets.indexed_dataset")
    from megatron.core.datasets.blended_megatron_dataset_config import (
        convert_split_vector_to_split_matrix,
        parse_and_normalize_split,
    )

    index, _ = make("megatron")
    split = re.search(r"--split (\S+)", script(tmp_path, ["1"], FILES["megatron"], 0.016, None))
    assert split is not None
    train, valid, test = convert_split_vector_to_split_matrix(parse_and_normalize_split(split[1]))
    assert valid is None
    for file in index.domains[0].files:  # as its builder computes the bounds
        assert round(train[0] * file.documents) == 0
        assert round(train[1] * file.documents) == round(0.016 * file.documents) == round(test[0] * file.documents)
