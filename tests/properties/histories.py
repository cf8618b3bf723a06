"""The history of a random project: its states, what is asked of the run after each, and what happens in between.

Used by the property tests; `random_edits.py` draws the choices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import unified_diff

from hypothesis import strategies as st
from legal_choices import repaired
from project_text import written
from random_edits import Choices
from random_project import Project


@dataclass(frozen=True)
class Step:
    """A state of a project, and what is asked of the run after it.

    `touched`: all files are written again. `rollback`: which of the cells that can go back to an earlier version does.
    `damage`: what is done to which of the published files. `later`: how many hours after all before it this is.
    """

    project: Project
    selection: str = "*"
    keys: frozenset[str] | None = None
    days: tuple[date, date] | None = None
    force: bool = False
    touched: bool = False
    rollback: int | None = None
    damage: tuple[int, str] | None = None
    later: int = 0


class History(tuple[Step, ...]):
    """Steps, shown as the files that a person would write."""

    def __repr__(self) -> str:
        lines: list[str] = []
        before: dict[str, str | None] = {}
        for number, step in enumerate(self):
            asked: dict[str, object] = {"days": step.days, "force": step.force, "touched": step.touched}
            asked |= {"rollback": step.rollback, "damage": step.damage, "later": step.later}
            asked |= {"sets": dict(step.project.sets), "library": step.project.library, "now": step.project.now}
            lines.append(f"\n=== step {number}: materialize {step.selection} {asked}")
            texts = written(step.project)
            for path in sorted(before.keys() | texts.keys()):
                old, new = before.get(path), texts.get(path)
                if number == 0 and not path.endswith("shared.py"):
                    lines += [f"--- {path}", new if new is not None else "(not there)"]
                elif old != new:
                    changes = unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm="", n=0)
                    lines += [f"--- {path}{'' if new is not None else ' (not there)'}", *list(changes)[2:]]
            before = texts
        return "\n".join(lines)


@st.composite
def full_runs(draw: st.DrawFn, *, may_be_open: bool = False) -> History:
    """Draw a history in which everything is made after each group of edits."""
    choices = Choices(draw, may_be_open=may_be_open)
    steps = [Step(choices.project())]
    for _ in range(choices.number(1, 2)):
        accidents = choices.accidents()
        project = choices.edited(later(steps[-1].project, accidents["later"]), choices.number(1, 3))
        steps.append(Step(project, touched=choices.often(4), **accidents))
    return History(steps)


@st.composite
def partial_runs(draw: st.DrawFn, *, may_be_open: bool = False) -> History:
    """Draw a history in which some cells are made, by name, by range or by force, between edits."""
    choices = Choices(draw, may_be_open=may_be_open)
    steps = [Step(choices.project())]
    for _ in range(choices.number(2, 4)):
        accidents = choices.accidents()
        project = choices.edited(later(steps[-1].project, accidents["later"]), choices.number(0, 2))
        selection, keys = choices.selection(project)
        steps.append(
            Step(
                project,
                selection,
                keys,
                choices.days(),
                force=choices.often(2 if accidents["damage"] else 4),
                **accidents,
            )
        )
    return History(steps)


def later(project: Project, hours: int) -> Project:
    """Return the project some hours, and the one that a run takes, later."""
    if project.now is None:
        return project
    return repaired(replace(project, now=project.now + timedelta(hours=hours + 1)))
