"""Two assets in Dagster, with its defaults (a pickle on disk between them); `python hand_off.py FOLDER`."""

import os
import sys
from pathlib import Path

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

import gigabyte
import pyarrow as pa
from dagster import DagsterInstance, asset, materialize


@asset
def made() -> pa.Table:
    return gigabyte.made()


@asset
def received(made: pa.Table) -> pa.Table:
    return gigabyte.received(made)


if __name__ == "__main__":
    home = Path(sys.argv[1]) / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    materialize([made, received], instance=DagsterInstance.get())
