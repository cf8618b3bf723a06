"""Two nodes in Kedro, with its defaults (a dataset in memory, copied); `python hand_off.py FOLDER`."""

from __future__ import annotations

import os

os.environ["DO_NOT_TRACK"] = "1"
os.environ["KEDRO_DISABLE_TELEMETRY"] = "1"

import gigabyte
from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner

if __name__ == "__main__":
    steps = pipeline([node(gigabyte.made, None, "made"), node(gigabyte.received, "made", "received")])
    SequentialRunner().run(steps, DataCatalog())
