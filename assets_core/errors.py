"""Every error of assets-core, drawn as a tree; each says what happened, where, with which value, and the remedy.

    AssetsError                     exit 3  ours: a bug or a broken machine
    |-- UserError                   exit 2  the user's mistake
    |   |-- DefinitionError                 one wrong definition, with file and line
    |   |   `-- UnknownUpstream               it reads an asset that is not defined
    |   |-- DefinitionErrors                all wrong definitions of a project at once
    |   |-- SelectionError                  a selection, cell, partition or range that cannot be read or found
    |   `-- ProjectNotFound                 no project folder here
    |-- StepError                   exit 1  a step or check failed
    |   |-- OutputError                     a function returned something that cannot be published
    |   |-- InputError                      an input could not be handed over
    |   |-- CommandFailed                   a command could not be started, or did not end well
    |   `-- SourceChanged                   an external source changed while a step read it
    |-- Busy                        exit 4  another run holds what this one needs
    `-- TakenOver                   exit 4  another process has ended this run

The command line turns `exit_code` into the exit status. Errors of the catalog package (`catalog.errors`) follow the
same rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class AssetsError(Exception):
    """The root. `remedy` is one sentence that says what to do about it."""

    exit_code = 3

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  remedy: {self.remedy}" if self.remedy else self.what


class UserError(AssetsError):
    """The user's mistake."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file of the project (1-based; 0 where no line is known)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class DefinitionError(UserError):
    """One wrong definition, with the place where it stands."""

    def __init__(self, what: str, *, place: Place, remedy: str) -> None:
        super().__init__(what, remedy=remedy)
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.what}\n  remedy: {self.remedy}"


class UnknownUpstream(DefinitionError):
    """An asset reads one that is not defined: `upstream` is the key that it names."""

    def __init__(self, what: str, *, place: Place, remedy: str, upstream: str) -> None:
        super().__init__(what, place=place, remedy=remedy)
        self.upstream = upstream


class DefinitionErrors(UserError):
    """All wrong definitions of a project, sorted by place."""

    def __init__(self, errors: Iterable[DefinitionError]) -> None:
        self.errors = sorted(errors, key=lambda error: (error.place, error.what))
        count = len(self.errors)
        super().__init__(f"{count} definition error{'s' if count != 1 else ''}")

    def __str__(self) -> str:
        return "\n".join([*(str(error) for error in self.errors), self.what])


class SelectionError(UserError):
    """A selection, cell, partition key or range that cannot be read or found."""


class ProjectNotFound(UserError):
    """No project folder here."""


class StepError(AssetsError):
    """A step or check failed."""

    exit_code = 1


class OutputError(StepError):
    """A function returned something that cannot be published."""


class InputError(StepError):
    """An input could not be handed over."""


class CommandFailed(StepError):
    """A command could not be started, or did not end well."""


class SourceChanged(StepError):
    """An external source changed while a step read it."""


class Busy(AssetsError):
    """Another run holds what this one needs, and to wait for it would be to wait for each other."""

    exit_code = 4


class TakenOver(AssetsError):
    """Another process has ended this run, which was paused for too long."""

    exit_code = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest of the known words, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
