"""How an object store is reached: its URL, the options of `assets.toml`, how long it is tried, what its errors say.

Used by `object_store.py`, and for what polars reads itself. It must not know what is stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from ..errors import AssetsError, UserError
from .data_folder import Storage

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_QUICK_SECONDS = 10
_RETRY_SECONDS = 60
_RETRIES = 1000  # time is the limit
_CLIENT = frozenset(
    (
        *("allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only"),
        *("http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_keep_alive_while_idle", "pool_idle_timeout"),
        *("pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes", "proxy_url", "timeout", "user_agent"),
    )
)
"""Options of the connection; the others are of the store."""


class Connection:
    """The place below a URL; `storage`: with what the environment has in it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.url = storage.url.rstrip("/")

    @cached_property
    def store(self) -> ObjectStore:
        """Return the store below the URL."""
        return self._opened(self.retry_seconds)

    @cached_property
    def quick(self) -> ObjectStore:
        """Return the store for questions that others wait for meanwhile."""
        return self._opened(min(self.retry_seconds, _QUICK_SECONDS))

    @property
    def retry_seconds(self) -> int:
        """Return for how long a request is tried again."""
        return int(self._storage.options.get("retry_seconds", _RETRY_SECONDS))

    def options(self, *, of_client: bool | None = None) -> dict[str, str]:
        """Return the options as texts: those of the connection, those of the store, or both."""
        said = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self._storage.options.items()
            if name != "retry_seconds"
        }
        endpoints = [value for name, value in said.items() if "endpoint" in name]
        if any(url.startswith("http://") for url in (*endpoints, os.environ.get("AWS_ENDPOINT_URL", ""))):
            said.setdefault("allow_http", "true")
        return {name: value for name, value in said.items() if of_client is None or (name in _CLIENT) == of_client}

    def _opened(self, retry_seconds: int) -> ObjectStore:
        try:
            from obstore import exceptions, store
        except ImportError:
            raise UserError(
                f"published data is at {self.url}, and the library for object stores is not installed",
                remedy="pip install 'assets-core[object-stores]'",
            ) from None
        retries: RetryConfig = {
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=retry_seconds),
            "backoff": {"max_backoff": timedelta(seconds=min(5, retry_seconds))},
        }
        client = cast("ClientConfig", self.options(of_client=True))
        try:
            options: dict[str, Any] = dict(self.options(of_client=False))
            return store.from_url(self.url, client_options=client, retry_config=retries, **options)
        except (exceptions.BaseError, ValueError, OSError) as error:
            raise UserError(
                f"{self.url}: {_first_line(error)}", remedy="correct [storage] in assets.toml, or the environment"
            ) from error

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Raise AssetsError where the store does not do what is asked inside of the block; FileNotFoundError stays."""
        from obstore import exceptions

        try:
            yield
        except FileNotFoundError:
            raise
        except (exceptions.BaseError, OSError) as error:
            raise AssetsError(
                f"{self.url}: {what}: {_first_line(error)}",
                remedy="see to the address, the credentials in the environment and the network, then run again: what"
                " was recorded is stored",
            ) from error


def _first_line(error: BaseException) -> str:
    """Return what an error says, without what it was made of, and without the part of a URL that may be a signature."""
    return re.sub(r"\?\S*", "", str(error).partition("\n")[0]).strip()
