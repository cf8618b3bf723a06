"""Does everything hold when many processes write and read one project, and some are killed or stopped?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SECONDS = 6


def test_whatever_processes_do_at_a_time_nothing_is_lost_made_twice_or_seen_out_of_order() -> None:
    program = Path(__file__).with_name("many_processes.py")
    sizes = ("--seconds", str(SECONDS), "--writers", "4", "--readers", "4")
    done = subprocess.run([sys.executable, str(program), *sizes], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(count) for name, count in re.findall(r"^ *([\w ]+)\t(\d+)\t", done.stdout, re.MULTILINE)}
    assert min(counts["materialize"], counts["append"], counts["ask"], counts["looks at the counter"]) > 0, done.stdout
    assert counts["records"] > 100, done.stdout
    assert counts["findings"] == 0, done.stdout
