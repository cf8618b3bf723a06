"""The command line itself: shared options, exit codes, what happens to an error.

Every command file adds its command to `app`. Exit codes: 0 done or fresh, 1 a step or check failed, 2 the user's
mistake, 3 ours, 4 the catalog or the project is busy, 130 interrupted.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from ..steps.secrets import masked
from ..version import __version__

app = typer.Typer(
    name="assets",
    help="Declare data assets, materialize exactly the partitions that are out of date, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectFolder = Annotated[
    Path | None, typer.Option("--project", metavar="DIR", help="The project's folder. Default: the working directory.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
AsEvents = Annotated[
    bool, typer.Option("--json-events", help="Print what happens on stdout while it does, one JSON object a line.")
]
_SELECTION = typer.Argument(
    metavar="SELECTION",
    help="Which cells: a key, a glob, +x, x+, 2+x, tag:, owner:, group:, kind:, state:, cause:, partition:,"
    " changed-since:, joined by and, or, not. A value with spaces or commas stands in double quotes.",
)
Selection = Annotated[str, _SELECTION]
SelectionIfAny = Annotated[str | None, _SELECTION]
PartitionRange = Annotated[
    str | None,
    typer.Option("--partitions", metavar="A..B", help="Only these partitions: a key, A..B, or several, by commas."),
]
Force = Annotated[bool, typer.Option("--force", help="Also what is fresh.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="TIME|POSITION", help="As it was then: a time (UTC unless it says), or a journal record."
    ),
]
Atomic = Annotated[bool, typer.Option("--atomic", help="Publish all cells of the run together at its end, or none.")]

FailFast = Annotated[bool, typer.Option("--fail-fast", help="Begin no more steps once a cell has failed.")]
ExecutorName = Annotated[
    str | None,
    typer.Option("--executor", metavar="NAME", help="Run steps on threads, processes or dask, unless an asset says."),
]


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"assets-core {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Declare data assets, materialize exactly the partitions that are out of date, and prove it."""


def _refuse_hidden_packages() -> None:
    """Refuse to start where a folder on PYTHONPATH comes before a package of this distribution."""
    house = Path(__file__).parents[2]
    for name in ("catalog", "connectors"):
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).parent
        if found != house / name:
            raise UserError(
                f"{found or 'nothing'} stands in the way of the package {name!r} of assets-core at {house / name}",
                remedy="take its parent off PYTHONPATH; a project needs no path",
            )


def main() -> None:
    """Run the command line; turn every error into its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for values that the terminal's encoding does not have
    try:
        _refuse_hidden_packages()
        app()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except OSError as error:
        sys.stderr.write(f"error: {masked(str(error))}\n")
        sys.stderr.write("  remedy: see to the disk (space, permissions, health), then run again\n")
        sys.exit(3)
    except Exception as error:  # noqa: BLE001  # the last place that can turn it into an exit code
        code = getattr(error, "exit_code", None)
        if code is None:
            sys.stderr.write(masked(traceback.format_exc()))
            sys.stderr.write("error: this is a fault of assets-core; please report the lines above\n")
            sys.exit(3)
        sys.stderr.write(f"error: {masked(str(error))}\n")
        sys.exit(code)
