"""The live view of a run on a terminal: bars, rate, time left, what is at work. Imports rich.

Used by `progress.py` where stderr is a terminal. It draws on the thread that reports, never on one of its own, and at
most ten times a second or a fiftieth of the time, whichever is less.
"""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..model.keys import AssetKey, Cell
from ..model.run import AssetProgress, Progress, Running
from .memory import used_bytes
from .output import cells_text, shown
from .progress import Pace, counts, duration, notes
from .screen import Screen

if TYPE_CHECKING:
    from catalog.records import Record

_DRAW_SECONDS = 0.1
_MEMORY_SECONDS = 2.0
_SHARE = 50  # one part in so many of the time is spent on drawing, and on asking for memory
_AT_WORK = 5  # steps that are told one by one
_FAILURES = 20  # that get a line when they happen
_MIB = 2**20
_STYLES = {"made": "green", "fresh": "cyan", "failed": "red", "blocked": "yellow"}


class _Glyphs(NamedTuple):
    done: str
    left: str
    cut: str
    step: str


_UNICODE = _Glyphs("━", "─", "…", "▸")
_ASCII = _Glyphs("#", "-", "~", ">")


class LiveView:
    """Shows a run on the terminal of a console; failures, and what is written to `stream`, appear above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._inks = Console(  # renders for the same terminal, and writes nothing to it
            file=io.StringIO(),
            force_terminal=True,
            color_system=cast(Literal["standard", "256", "truecolor"] | None, console.color_system),
            no_color=console.no_color,
        )
        self._screen = Screen(console.file)
        self.stream: TextIO = self._screen.stream
        self._frame = Frame(is_ascii=not console.encoding.startswith("utf"))
        self._draw_due = 0.0
        self._memory_due = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.seconds < self._draw_due:
            return
        started = time.perf_counter()
        if progress.seconds >= self._memory_due:
            self._frame.memory_bytes = used_bytes()
            asked = time.perf_counter() - started
            self._memory_due = progress.seconds + max(_MEMORY_SECONDS, _SHARE * asked)
        width, height = self._console.size
        self._screen.paint(self._rendered(self._frame.lines(progress, width - 1, height - 1), width))
        self._draw_due = progress.seconds + max(_DRAW_SECONDS, _SHARE * (time.perf_counter() - started))

    def records(self, records: Sequence[Record]) -> None:
        """Tell at once of what failed for good, the first of it."""
        for record in records:
            if record.kind == "failed":
                self._frame.failures += 1
                if self._frame.failures <= _FAILURES:
                    self._tell(record)

    def close(self) -> None:
        """Leave nothing of the view on the terminal."""
        self._screen.close()

    def _tell(self, failed: Record) -> None:
        payload = failed.payload
        first, *_ = (payload["message"] or "").strip().splitlines() or [""]
        cell = str(Cell(payload["asset"], payload["partition"]))
        width = self._console.size.width - 1
        line = Text("failed: ", style="red")
        line.append(self._frame.clipped(cell, width // 2), style="bold")
        why = first if first.startswith(payload["error"]) else f"{payload['error']}: {first}"
        line.append(": " + self._frame.clipped(why, width))
        line.truncate(width, overflow="ellipsis" if not self._frame.is_ascii else "crop")
        self._screen.print(self._rendered([line], width + 1)[0] + "\n")

    def _rendered(self, lines: Sequence[Text], width: int) -> list[str]:
        """Return lines with the colours that the terminal has."""
        with self._inks.capture() as captured:
            for line in lines:
                self._inks.print(line, width=width, no_wrap=True, overflow="crop", highlight=False)
        return captured.get().split("\n")[:-1]


class Frame:
    """What the view shows: plain values in, lines out."""

    def __init__(self, *, is_ascii: bool = False) -> None:
        self.is_ascii = is_ascii
        self.failures = 0
        self.memory_bytes: int | None = None
        self._glyphs = _ASCII if is_ascii else _UNICODE
        self._pace = Pace()
        self._left: list[AssetKey] | None = None  # the assets that are not done, in the order of the plan

    def lines(self, progress: Progress, width: int, height: int) -> list[Text]:
        """Return at most `height` lines of at most `width` cells; the first is empty, for what others may print there.

        From above: the assets that are not done, or as many as fit, all cells, rate and time left, notes, steps.
        """
        self._pace.note(progress)
        running = sorted(progress.running(), key=lambda step: -step.seconds)
        told = [*notes(progress)]
        if self.failures > _FAILURES:
            told.append(f"{self.failures - _FAILURES:,} more failures")
        below = [self._pace_line(progress, running)]
        if told:
            below.append(Text(", ".join(told), style="yellow"))
        below += [self._step(step, width) for step in running[: min(_AT_WORK, max(0, (height - 5) // 3))]]
        room = height - 2 - len(below)  # the empty line and that of all cells
        found = (
            self._chosen(progress.assets, {step.asset for step in running}, room) if len(progress.assets) > 1 else []
        )
        above = self._bars(progress, found, width)
        if len(found) < len(progress.assets) and room > 0 and len(progress.assets) > 1:
            above.insert(-1, self._rest(progress.assets, found))
        lines = [Text(), *above, *below][: max(1, height)]
        if height < 4:  # no room for more than how far it is
            lines = [above[-1]]
        for line in lines:
            line.truncate(width, overflow="crop")
        return lines

    def clipped(self, text: str, width: int) -> str:
        """Return a text as it can be shown in so many cells; where it is too long, without its middle."""
        if len(text) > 8 * width:  # however long it is, and whatever takes no room at all
            text = text[: 4 * width] + text[-4 * width :]
        text = shown(text, is_ascii=self.is_ascii)
        if cell_len(text) <= width and len(text) <= 4 * width:
            return text
        head = _fitting(text, (width - 1) // 2)
        tail = _fitting(text[::-1], width - 1 - cell_len(head))
        return head + self._glyphs.cut + tail[::-1]

    def _chosen(
        self, assets: dict[AssetKey, AssetProgress], at_work: Collection[AssetKey], room: int
    ) -> list[AssetKey]:
        """Return the assets with a line each, in the order of the plan: those at work first, those done last."""
        if len(assets) <= room:
            return list(assets)
        lines = max(0, room - 1)  # one sums up the others
        before = assets if self._left is None else self._left
        self._left = [key for key in before if (counted := assets[key]).settled < counted.planned]
        ranks: tuple[list[AssetKey], ...] = ([], [], [])
        for key in self._left:
            ranks[0 if key in at_work else 1 if assets[key].settled else 2].append(key)
        chosen = dict.fromkeys(islice((key for rank in ranks for key in rank), lines))
        if len(chosen) < lines:
            done = (key for key in reversed(assets) if key not in chosen)
            chosen.update(dict.fromkeys(islice(done, lines - len(chosen))))
        places = {key: place for place, key in enumerate(assets) if key in chosen}
        return sorted(chosen, key=places.__getitem__)

    def _bars(self, progress: Progress, chosen: Sequence[AssetKey], width: int) -> list[Text]:
        """Return a line for each asset and one for all cells, in columns."""
        name_width = max(9, width * 30 // 100)
        label = "all cells" if len(progress.assets) != 1 else self.clipped(next(iter(progress.assets)), name_width)
        names = [*(self.clipped(key, name_width) for key in chosen), label]
        counted: list[Progress | AssetProgress] = [*(progress.assets[key] for key in chosen), progress]
        numbers = [f"{one.settled:,}/{one.planned:,}" for one in counted]
        told = [counts(one) for one in counted]
        longest, longest_number, longest_told = (max(map(cell_len, texts)) for texts in (names, numbers, told))
        bar_width = max(6, min(40, width - longest - longest_number - longest_told - 6))
        lines = []
        for name, one, number, became in zip(names, counted, numbers, told, strict=True):
            line = Text(name + " " * (longest - cell_len(name) + 2), style="bold" if one is progress else "")
            if one.failed:
                line.stylize("red")
            line.append_text(self._bar(one, bar_width))
            line.append(f"  {number:>{longest_number}}  ")
            line.append(became, style="dim" if one.settled == one.planned and not one.failed else "")
            lines.append(line)
        return lines

    def _bar(self, counted: Progress | AssetProgress, width: int) -> Text:
        bar, drawn, reached = Text(style="not bold"), 0, 0
        for part, style in _STYLES.items():
            reached += getattr(counted, part)
            end = width * reached // max(1, counted.planned)
            bar.append(self._glyphs.done * (end - drawn), style)
            drawn = end
        return bar.append(self._glyphs.left * (width - drawn), "bright_black")

    def _rest(self, assets: dict[AssetKey, AssetProgress], chosen: Collection[AssetKey]) -> Text:
        done_here = sum(1 for key in chosen if assets[key].settled >= assets[key].planned)
        done = len(assets) - len(self._left or ()) - done_here
        to_come = len(assets) - len(chosen) - done
        parts = [f"{done:,} done"] * bool(done) + [f"{to_come:,} to come"] * bool(to_come)
        return Text(f"and {len(assets) - len(chosen):,} more assets: {', '.join(parts)}", style="dim")

    def _pace_line(self, progress: Progress, running: Sequence[Running]) -> Text:
        parts = [self._pace.text(progress), f"{duration(progress.seconds)} so far"]
        if running:
            parts.append(f"{len(running):,} step{'s' if len(running) != 1 else ''} at work")
        if self.memory_bytes is not None:
            parts.append(f"{self.memory_bytes / _MIB:,.0f} MiB")
        return Text(", ".join(filter(None, parts)))

    def _step(self, step: Running, width: int) -> Text:
        more = f" and {cells_text(step.cells - 1)} more" if step.cells > 1 else ""
        attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
        behind = f"{more}{attempt}, {duration(step.seconds)}"
        name = self.clipped(str(Cell(step.asset, step.partition)), max(9, width - 2 - len(behind)))
        return Text(f"{self._glyphs.step} {name}{behind}")


def _fitting(text: str, width: int) -> str:
    """Return the beginning of a text that takes so many cells; of what takes none, only a few."""
    used = 0
    for place, letter in enumerate(text):
        used += cell_len(letter)
        if used > width or place >= 4 * width:
            return text[:place]
    return text
