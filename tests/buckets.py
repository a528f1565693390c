"""A real S3 server on this machine, for tests: moto's, over HTTP."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import boto3
import pytest
from s3fs import S3FileSystem

BUCKET = "bucket"


class Bucket(NamedTuple):
    """An address to write below, and the server's own."""

    address: str
    endpoint: str

    def files(self, prefix: str) -> dict[str, bytes]:
        """What lies below a prefix, read by another client than datagen's."""
        client = boto3.client("s3", endpoint_url=self.endpoint)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        return {
            key.removeprefix(f"{prefix}/"): client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys
        }

    def check_signatures(self, after: str) -> None:
        """From now on, let so many requests pass unchecked ("inf" for all), and refuse what is wrongly signed."""
        address, plain = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(address, after.encode(), plain)).close()


@contextmanager
def served_bucket() -> Iterator[Bucket]:
    """A server with one empty bucket; the environment names it, so that other processes find it too."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            S3FileSystem.clear_instance_cache()
            boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
            yield Bucket(f"s3://{BUCKET}", endpoint)
    finally:
        S3FileSystem.clear_instance_cache()
        server.stop()
