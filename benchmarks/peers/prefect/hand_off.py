"""Two tasks of a flow in Prefect, with its defaults (in memory); `python hand_off.py FOLDER`."""

# ruff: noqa: E402  # Prefect reads its settings when it is imported

from __future__ import annotations

import os
import sys

for name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[name]
os.environ |= {
    "DO_NOT_TRACK": "1",
    "PREFECT_HOME": f"{sys.argv[1]}/prefect",
    "PREFECT_PROFILES_PATH": f"{sys.argv[1]}/profiles.toml",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}

import gigabyte
from prefect import flow, task


@flow
def whole() -> None:
    task(gigabyte.received)(task(gigabyte.made)())


if __name__ == "__main__":
    whole()
