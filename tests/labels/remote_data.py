"""What lies in the bucket of tests against an S3 server."""

from typing import Any

from label_data import BESIDE


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    found = store.list_objects_v2(Bucket="web", Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): store.get_object(Bucket="web", Key=item["Key"])["Body"].read()
        for item in found
        if not item["Key"].endswith(BESIDE)
    }


def sidecars(files: dict[str, bytes]) -> dict[str, bytes]:
    """Markers hold what the store says of the input."""
    return {name: data for name, data in files.items() if name.endswith(".parquet")}
