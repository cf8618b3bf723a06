"""A real S3 API for tests: a server of moto on a free port, with a bucket of its own, that can be ended and begun anew.

Used by the tests of shared storage. It must not know what is stored.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "canary-of-a-secret", "AWS_REGION": "us-east-1"}


def begin() -> ThreadedMotoServer:
    """Begin a server on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return server


def address(server: ThreadedMotoServer) -> str:
    """Return where a server answers."""
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def use_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put credentials into the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and the server that holds it."""

    server: ThreadedMotoServer
    name: str
    made: Any

    @classmethod
    def new(cls, server: ThreadedMotoServer) -> Bucket:
        """Make a bucket."""
        name = f"data-{uuid.uuid4()}"
        made = boto3.resource("s3", region_name="us-east-1", endpoint_url=address(server)).Bucket(name)
        made.create()
        return cls(server, name, made)

    @property
    def endpoint(self) -> str:
        """Return where its server answers, or did."""
        return str(self.made.meta.client.meta.endpoint_url)

    @property
    def url(self) -> str:
        """Return where a project may keep its data."""
        return f"s3://{self.name}/of/small"

    @property
    def keys(self) -> set[str]:
        """Return the objects below that, by their names there."""
        return {one.key.removeprefix("of/small/") for one in self.made.objects.all() if one.key.startswith("of/small/")}

    def settings(self, retry_seconds: int = 20) -> str:
        """Return the table of a project's settings that says so."""
        return (
            f'\n[storage]\nurl = "{self.url}"\n[storage.options]\nendpoint = "{self.endpoint}"\n'
            f'region = "us-east-1"\nallow_http = true\nretry_seconds = {retry_seconds}\n'
        )
