"""What the product adds to each cell, to a run that has nothing to do, and to the start of a command.

Run it: `make bench`. Projects of one-row frames are made in a temporary folder and materialized, everything durable;
the baseline "plain Parquet loop, durable" (plain_loop.py) stores the same frames in the same run. A table goes to
stderr, all figures as one JSON object to the last line of stdout. README.md says more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from projects import CASES, write_project

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).parent / "assets"
SAMPLE = HERE.parent / "sample_project"
BASELINE = "plain Parquet loop, durable"
REPETITIONS = 5

COUNTS = ("cells", "rows", "events", "data_bytes")

# What is aimed at on a machine with two cores, in seconds.
AIMS = {
    "days seconds": 1.5,
    "days noop_seconds": 0.05,
    "chain noop_seconds": 0.05,
    "fan_out noop_seconds": 0.05,
    "assets --help": 0.15,
    "assets plan (sample)": 0.7,
}

Figures = Mapping[str, float]
Spread = dict[str, float]


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and greatest of several runs."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def spreads(runs: Sequence[Figures]) -> dict[str, Spread | float]:
    """Return the spread of each figure; of what was counted, which every run must find the same, the number."""
    found: dict[str, Spread | float] = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if name in COUNTS and len(set(values)) > 1:
            raise SystemExit(f"the runs are not alike: they have {values} {name}")
        found[name] = values[0] if name in COUNTS else spread(values)
    return found


def measure_in_process(script: str, *arguments: str) -> dict[str, Any]:
    """Run one of the scripts beside this one in a new process; return the figures that it prints."""
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)}: exit {done.returncode}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure_command(arguments: Sequence[str], repetitions: int) -> dict[str, Spread]:
    """Run a whole command several times, after one time that does not count."""
    runs = [_command(arguments) for _ in range(repetitions + 1)][1:]
    return {name: spread([run[name] for run in runs]) for name in runs[0]}


def _command(arguments: Sequence[str]) -> Figures:
    started = time.perf_counter()
    process = subprocess.Popen([str(COMMAND), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None  # noqa: S101  # asked for
    talk = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"assets {' '.join(arguments)}: exit {process.returncode}: {talk.decode()}")
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * 1024,
    }


def fsync_seconds(folder: Path) -> float:
    """Return the median time to make one small file durable: what the disk asks of every durable cell."""
    taken: list[float] = []
    for number in range(50):
        descriptor = os.open(folder / f"fsync-{number}", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"x" * 2_000)
        started = time.perf_counter()
        os.fsync(descriptor)
        taken.append(time.perf_counter() - started)
        os.close(descriptor)
    return statistics.median(taken)


def measure(folder: Path, repetitions: int) -> dict[str, Any]:
    """Measure everything; the cases and the baseline take turns, so that a busy moment meets all of them."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (*CASES, BASELINE)}
    for repetition in range(repetitions):
        for name, case in CASES.items():
            project = folder / f"{name}-{repetition}"
            write_project(case, name, project)
            first, again = (measure_in_process("one_run.py", what, str(project)) for what in ("first", "again"))
            if again["events"] < 2 * first["cells"]:
                raise SystemExit(f"{name}: {again['events']} events for {first['cells']} cells: not all is traced")
            runs[name].append({**first, **again})
        runs[BASELINE].append(measure_in_process("plain_loop.py", str(folder / f"plain-{repetition}")))
    ratios = {
        name: spread([ours[name] / plain[name] for ours, plain in zip(runs["days"], runs[BASELINE], strict=True)])
        for name in ("seconds", "cpu_seconds")
    }
    commands = {"assets --help": measure_command(["--help"], max(repetitions, 5))}
    places = {"no-op": folder / "days-0", "sample": SAMPLE}
    for place, project in places.items():
        if (project / ".assets").exists():
            for command in ("list", "plan", "status"):
                arguments = [command, "--project", str(project)]
                commands[f"assets {command} ({place})"] = measure_command(arguments, max(repetitions, 5))
    return {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "fsync_seconds": fsync_seconds(folder),
        },
        "repetitions": repetitions,
        "cases": {name: {"title": case.title, **spreads(runs[name])} for name, case in CASES.items()},
        "baseline": {"name": BASELINE, **spreads(runs[BASELINE])},
        "days_ratio_to_baseline": ratios,
        "commands": commands,
        "aims_seconds": AIMS,
    }


def print_tables(found: Mapping[str, Any]) -> None:
    """Print what a person wants to see on stderr."""
    machine = found["machine"]
    say(
        f"Python {machine['python']}, {machine['cores']} cores, load {machine['load_average']:.1f}, "
        f"fsync of a small file {machine['fsync_seconds'] * 1000:.2f} ms; medians of "
        f"{found['repetitions']} (least-greatest)"
    )
    for name, case in found["cases"].items():
        say(f"\n{case['title']}: {case['cells']:,} cells, {case['rows']:,} rows")
        for figure, words in _WORDS.items():
            line(words, case[figure], AIMS.get(f"{name} {figure}"))
        line("a cell", _scaled(case["ms_per_cell"], 0.001), None)
        megabytes = {member: _number(case[member]) / 1e6 for member in _BYTES}
        say("  " + ", ".join(f"{words} {megabytes[member]:.1f} MB" for member, words in _BYTES.items()))
        say(f"  {case['events']:,} lineage events")
    baseline, ratios = found["baseline"], found["days_ratio_to_baseline"]
    say(f"\nbaseline: {baseline['name']}, the frames of 3 assets x 365 days")
    line("whole loop", baseline["seconds"], None)
    line("processor time", baseline["cpu_seconds"], None)
    say(f"  data {baseline['data_bytes'] / 1e6:.1f} MB, peak memory {_number(baseline['peak_rss_bytes']) / 1e6:.1f} MB")
    for name, words in (("seconds", "wall"), ("cpu_seconds", "processor time")):
        ratio = ratios[name]
        say(f"  ours / {BASELINE}, {words}: {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})")
    say("\nwhole commands")
    for name, command in found["commands"].items():
        line(name, command["seconds"], AIMS.get(name))


_WORDS = {
    "load_seconds": "load, import the engine",
    "seconds": "materialize",
    "cpu_seconds": "its processor time",
    "noop_seconds": "again (no-op), new process",
    "noop_warm_seconds": "again (no-op), once more",
    "plan_warm_seconds": "plan (no-op), once more",
}
_BYTES = {"data_bytes": "data", "journal_bytes": "journal", "index_bytes": "index", "peak_rss_bytes": "peak memory"}


def _number(value: Spread | float) -> float:
    return value["median"] if isinstance(value, dict) else value


def _scaled(value: Spread | float, factor: float) -> Spread:
    return {name: number * factor for name, number in (value if isinstance(value, dict) else spread([value])).items()}


def line(words: str, value: Spread | float, aim: float | None) -> None:
    """Print one figure, in milliseconds, with the aim where there is one."""
    shown = {name: f"{number:,.{2 if number < 10 else 0}f}" for name, number in _scaled(value, 1000).items()}
    text = f"  {words:<28}{shown['median']:>9} ms  ({shown['min']}-{shown['max']})"
    if aim is not None:
        text += f"  aim: under {aim * 1000:.0f} ms{'' if _number(value) < aim else ' (MISSED)'}"
    say(text)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Iterable[str]) -> None:
    """Measure, or profile one case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run everything once")
    parser.add_argument("--profile", metavar="CASE", choices=sorted(CASES), help=f"one of {', '.join(CASES)}")
    chosen = parser.parse_args([*arguments])
    with tempfile.TemporaryDirectory(prefix="assets-overhead-") as name:
        folder = Path(name)
        if chosen.profile is not None:
            write_project(CASES[chosen.profile], chosen.profile, folder / "profiled")
            figures = measure_in_process("one_run.py", "profile", str(folder / "profiled"))
            print(json.dumps({"profiled": chosen.profile, **figures}))
            return
        found = measure(folder, 1 if chosen.quick else REPETITIONS)
    print_tables(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
