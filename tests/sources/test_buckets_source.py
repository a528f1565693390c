"""Sources in a real S3 server: folders, side-cars, tars and tables are what they are on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from buckets import BUCKET, Bucket, served_bucket
from foreign import JPG, PNG, SAMPLES, dataset, write_tar

from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source
from datagen.sources.config import HuggingFaceConfig, ImagesConfig, Sa1bConfig, WebDatasetConfig

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    folder = tmp_path_factory.mktemp("bucket")
    dataset(5).to_parquet(str(folder / "x.parquet"))
    files = {
        "photos/a.png": PNG, "photos/a.txt": b"", "photos/b/c.jpg": JPG, "photos/b/c.txt": b"Sea", "photos/b/": b"",
        "tars/a.tar": write_tar(folder / "a.tar", SAMPLES).read_bytes(),
        "sa1b/sa_1.jpg": JPG, "sa1b/sa_1.json": b"{}",
        "hf/x.parquet": (folder / "x.parquet").read_bytes(),
    }  # fmt: skip
    with served_bucket() as served:
        client = boto3.client("s3", endpoint_url=served.endpoint)
        for name, data in files.items():
            client.put_object(Bucket=BUCKET, Key=f"made/{name}", Body=data)
        yield served


def pictures(source: Source) -> dict[str, bytes]:
    source.check()
    rows = list(source.rows())
    assert not any(row.error for row in rows), rows
    assert {row.fields["base"].partition("://")[0] for row in rows} == {"s3"}
    return {
        row.id: read_file(row.fields["uri"], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6) for row in rows
    }


def test_a_bucket_of_pictures(bucket: Bucket) -> None:
    found = ImagesConfig(path=f"{bucket.address}/made/photos").load()
    assert pictures(found) == {"a.png": PNG, "b/c.jpg": JPG}
    assert [row.fields["caption"] for row in found.rows()] == ["", "Sea"]
    assert list(pictures(ImagesConfig(path=f"{bucket.address}/made/**/*.jpg").load())) == [
        "photos/b/c.jpg",
        "sa1b/sa_1.jpg",
    ]


def test_containers_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    assert pictures(WebDatasetConfig(path=f"{bucket.address}/made/tars").load()) == {"a/0001": JPG, "a/sub/0002": PNG}
    assert pictures(Sa1bConfig(path=f"{bucket.address}/made/sa1b").load()) == {"sa_1": JPG}
    found = pictures(HuggingFaceConfig(path=f"{bucket.address}/made/hf").load())
    assert len(set(found.values())) == 5
