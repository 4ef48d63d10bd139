import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from label_data import contents, save_student, write_corpus
from remote_data import objects

from gemix.corpus.shards import Shard, resolve_shards


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "student", seed=0)


@pytest.fixture(scope="session")
def other_student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("other_student") / "student", seed=1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four shards, one in each format, of different sizes; 8 of the 2,600 rows are bad."""
    return write_corpus(tmp_path / "corpus", {"a.jsonl": 300, "b.jsonl.gz": 900, "sub/c.jsonl.zst": 1200}, {"d": 200})


@pytest.fixture
def shards(corpus: Path) -> list[Shard]:
    return resolve_shards([corpus])


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """A bucket, and a client that is not the one under test."""
    moto = pytest.importorskip("moto.server", reason='moto is not installed: pip install "moto[server]"')
    pytest.importorskip("s3fs", reason='s3fs is not installed: pip install "gemix[remote]"')
    import boto3
    from s3fs import S3FileSystem

    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(key, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="web")
        yield client
    server.stop()
    S3FileSystem.clear_instance_cache()  # they know this server's address


@pytest.fixture
def remote(store: Any, corpus: Path) -> Iterator[str]:
    """The corpus in the bucket."""
    for name, data in contents(corpus).items():
        store.put_object(Bucket="web", Key=f"corpus/{name}", Body=data)
    yield "s3://web/corpus"
    for key in objects(store, ""):
        store.delete_object(Bucket="web", Key=key)
