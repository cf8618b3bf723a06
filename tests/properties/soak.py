"""Try many more random projects than the suite does: `python tests/properties/soak.py --examples 1000 --seed 7`.

Run from the project's folder. Ends with the first example that breaks the law, made as small as can be; a seed gives
the same examples again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent))

from random_edits import full_runs, partial_runs
from scenario import check_full_runs, check_partial_runs

EXAMPLES_A_PROCESS = 50  # each load of a project leaves an audit hook in its process, which slows it down


def main() -> None:
    """Check so many histories of full runs, and as many of partial ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.examples <= EXAMPLES_A_PROCESS:
        check(asked.examples, asked.seed)
        return
    for done in range(0, asked.examples, EXAMPLES_A_PROCESS):
        count = min(EXAMPLES_A_PROCESS, asked.examples - done)
        command = [sys.executable, __file__, "--examples", str(count), "--seed", str(asked.seed + done)]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit(f"broken: {' '.join(command)}")
        sys.stdout.write(f"{done + count} of {asked.examples} examples of each property hold\n")
        sys.stdout.flush()


def check(examples: int, number: int) -> None:
    """Check some histories in this process."""
    many = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    for check_runs, histories in ((check_full_runs, full_runs()), (check_partial_runs, partial_runs())):
        seed(number)(many(given(histories)(check_runs)))()


if __name__ == "__main__":
    main()
