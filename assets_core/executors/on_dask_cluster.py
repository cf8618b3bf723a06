"""A Dask cluster of this machine, for one run: a scheduler and worker processes, which end when the run does.

Opened by `on_dask.py`; run as `python -m assets_core.executors.on_dask_cluster`. It listens on the loopback device
only, to those who have the key that was made for it, and shows no dashboard.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Security

from ..errors import AssetsError

_FIELDS = (
    *("require_encryption", "tls_ca_file", "tls_client_key", "tls_client_cert"),
    *("tls_scheduler_key", "tls_scheduler_cert", "tls_worker_key", "tls_worker_cert"),
)
_SETTINGS = {
    # A step that has taken its worker with it is not tried on the next one: whether it is, is the coordinator's.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "10s",
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "12s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.diagnostics.nvml": False,
}
_LAST_WORDS_BYTES = 2_000


class OwnCluster:
    """A cluster of `workers` processes; what it says is in a file of `folder`."""

    def __init__(self, workers: int, folder: Path) -> None:
        self.security = Security.temporary()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._words = folder / "dask.log"
        told = {"workers": workers, "folder": str(folder)}
        told["security"] = {name: getattr(self.security, name) for name in _FIELDS}
        with self._words.open("ab") as words:
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                start_new_session=True,  # Ctrl-C in a terminal is not for it, and all of it ends at once
            )
        assert self._process.stdin is not None  # noqa: S101  # asked for above
        with suppress(BrokenPipeError):  # it has died, which is heard of in a moment
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            self._process.stdin.flush()

    def address(self) -> str:
        """Wait until it has started; return where it can be reached.

        Raises: AssetsError where it could not start.
        """
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            words = self._words.read_bytes()[-_LAST_WORDS_BYTES:].decode(errors="replace").strip()
            self.close()
            raise AssetsError(
                f"a Dask cluster could not be started on this machine: {words or 'it was ended'}",
                remedy="correct that, or give the address of another cluster: [dask] address",
            )
        return str(json.loads(line)["address"])

    @property
    def process(self) -> int:
        """Return the number of the process that is the scheduler, and the leader of all others."""
        return self._process.pid

    def close(self) -> None:
        """End all its processes: they hold nothing."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def main() -> None:
    """Serve until the other end of stdin is closed, however that came about."""
    import dask.config
    from distributed import LocalCluster

    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    dask.config.update_defaults(_nested(_SETTINGS))
    answer = os.dup(1)
    os.dup2(2, 1)  # what workers print is no answer
    cluster = LocalCluster(
        n_workers=told["workers"],
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=Security(**told["security"]),
        dashboard_address=None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        memory_limit=None,
        local_directory=told["folder"],
    )
    os.write(answer, json.dumps({"address": cluster.scheduler_address}).encode() + b"\n")
    os.close(answer)
    while sys.stdin.buffer.read(1):
        pass
    os.killpg(0, signal.SIGKILL)


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as the tree that files of Dask's settings have: whoever sets one in such a file is heeded."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return tree


if __name__ == "__main__":
    main()
