"""An environment of its own for each peer, made from the pinned versions in its `requirements.txt`.

Called by `compare.py` and `handoff.py`. It must not know what is run in it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("dagster", "hamilton", "luigi", "prefect", "redun", "sqlmesh")
CACHE = HERE.parent / ".peers"


class NotInstalled(Exception):
    """A peer could not be installed; the text is what the installer said."""


def interpreter_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, which is made where it is not there with these versions.

    Raises: NotInstalled.
    """
    folder, pins = CACHE / peer, HERE / peer / "requirements.txt"
    interpreter, installed = folder / "bin" / "python", folder / "installed.txt"
    if interpreter.exists() and installed.exists() and installed.read_bytes() == pins.read_bytes():
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    _call(sys.executable, "-m", "venv", *(["--without-pip"] if uv.exists() else []), str(folder))
    if uv.exists():
        _call(str(uv), "pip", "install", "--quiet", "--python", str(interpreter), "--requirement", str(pins))
    else:
        _call(str(interpreter), "-m", "pip", "install", "--quiet", "--requirement", str(pins))
    shutil.copyfile(pins, installed)  # last: a folder without it is made anew
    return interpreter


def version_of(peer: str) -> str:
    """Return the pinned version of a peer."""
    names = (peer, f"apache-{peer}")
    pins = (HERE / peer / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(pin.partition("==")[2] for pin in pins if pin.partition("==")[0] in names)


def _call(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise NotInstalled(f"{' '.join(command[:3])}: exit {done.returncode}: {done.stdout.strip()[-2000:]}")
