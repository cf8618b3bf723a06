"""Does what came of runs that were killed, paused and starved at random equal an undisturbed run? A minute of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECONDS = 60


def test_a_minute_of_chaos_leaves_the_result_of_an_undisturbed_run() -> None:
    script = Path(__file__).with_name("chaos.py")
    done = subprocess.run(
        [sys.executable, str(script), "--seconds", str(SECONDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for deed in ("worker killed", "coordinator killed", "coordinator paused", "run on processes", "source changed"):
        assert f" x {deed}\n" in done.stdout
