"""Try every fault at every call of every operation: `python tests/faults/every_call.py [--operations publish apply]`.

Takes minutes; the suite tries each step instead. Prints a table, step by fault: in how many cases all was well, and of
how many; then what was wrong. Ends with 1 where anything was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from crash_case import WATCHED, Bench
from failing_io import FAULTS, Driver, Fault
from steps import Placed, step_of

ON_WRITES = ("short", "short_error")


def main() -> None:
    """Try what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", nargs="+", default=WATCHED, choices=WATCHED)
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    asked = parser.parse_args()
    tried: Counter[tuple[str, str]] = Counter()
    well: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, Driver() as driver:
        bench = Bench(Path(folder).resolve(), driver)
        for operation in asked.operations:
            for place, what in cases(bench.calls(operation), asked.faults):
                ended, found = bench.inject(operation, Fault(place.area, place.at, what), verify=True)
                hit = next((call for call in ended.calls if call.number == place.at), place.call)
                step = step_of(hit, bench.root / "case")
                tried[step, what] += 1
                well[step, what] += not found
                for text in found:
                    line = (
                        f"{operation}, {what} at call {place.at} of {place.area or 'all'} ({hit.name}: {step}): {text}"
                    )
                    wrong.append(line)
                    sys.stderr.write(line + "\n")
            sys.stderr.write(f"{operation}: {sum(tried.values())} cases so far, {len(wrong)} findings\n")
    sys.stdout.write("\t".join(["step", *asked.faults]) + "\n")
    for step in dict.fromkeys(step for step, _ in tried):
        row = [f"{well[step, what]}/{tried[step, what]}" if tried[step, what] else "" for what in asked.faults]
        sys.stdout.write("\t".join([step, *row]) + "\n")
    sys.stdout.write(f"{sum(tried.values())} cases, {len(wrong)} findings\n")
    sys.exit(1 if wrong else 0)


def cases(calls: list[Placed], faults: list[str]) -> Iterator[tuple[Placed, str]]:
    """Yield each call with each fault that can happen at it."""
    for place in calls:
        for what in faults:
            if place.call.writes or what not in ON_WRITES:
                yield place, what


if __name__ == "__main__":
    main()
