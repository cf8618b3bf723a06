"""Who is writing: open the journal of a project for appending, with the session record of this process.

Used by everything that changes something: runs, and the commands that move or remove what was published.
"""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path

from catalog.journal import Journal
from catalog.records import Tail
from catalog.signing import Signer

from ..project import Project
from ..steps.secrets import masked
from ..version import __version__


def signing_key(project: Project) -> Path | None:
    """Return the file of the key that signs seals, where the settings name one."""
    key = project.settings.signing_key
    return None if key is None else project.root / Path(key).expanduser()


def open_journal(project: Project, known: Tail | None = None) -> Journal:
    """Return the project's journal, open for appending; `known`: the place up to which the caller knows it.

    Where the key that signs is not on this machine, segments that become full are sealed without a signature: the next
    signed seal covers them, too.
    """
    key = signing_key(project)
    sign = Signer(key).sign if key is not None and key.exists() else None
    return Journal(project.state / "journal", session(project.root), known=known, sign=sign)


def session(root: Path) -> dict[str, object]:
    """Return who acts, for whom, and from what: user, host, process, command and code commit of this process.

    The environment may name somebody: ASSETS_IDENTITY who runs the command, where the system's user says too little
    (a service account), ASSETS_ON_BEHALF_OF for whom.
    """
    commit = _git(root, "rev-parse", "HEAD")
    changes = None if commit is None else _git(root, "status", "--porcelain", "--", ".")
    return {
        "user": _user(),
        "identity": os.environ.get("ASSETS_IDENTITY") or None,
        "on_behalf_of": os.environ.get("ASSETS_ON_BEHALF_OF") or None,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": [Path(sys.argv[0]).name, *map(masked, sys.argv[1:])],
        "product": __version__,
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry for this user in the system's list
        return f"uid {os.getuid()}"


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  # a fixed command, no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607  # whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
