"""What a person sees while a run goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from orchestrator.text import harmless
from schemas.call import Outcome
from schemas.milestone import Milestone, Status

__all__ = ["LiveView", "PlainView", "QuietView", "Terminal", "view_for"]

_STYLE = {
    Status.ACCEPTED: "green",
    Status.FAILED: "red",
    Status.BLOCKED: "yellow",
    Status.RUNNING: "bold",
    Status.STOPPED: "yellow",
}


class Terminal(Console):
    """Standard output. When its reader is gone it falls silent: that is no reason to end a run."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class QuietView:
    """Shows nothing while the run goes on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def call_started(self, agent: str, model: str) -> None:
        """A call is about to be sent."""

    def call_progress(self, agent: str, tokens: int) -> None:
        """``tokens`` have arrived so far."""

    def call_finished(self, agent: str, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        """The call is over."""

    def milestone_changed(self, milestone: Milestone) -> None:
        """A milestone has another status or another attempt."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def download(self, done: int, total: int, what: str) -> None:
        """Bytes of a download."""


class PlainView(QuietView):
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console, debug: bool) -> None:
        self._console = console
        self._debug = debug
        self._seen: dict[str, tuple[Status, int]] = {}
        self._percent = -1
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        """Something worth a line."""
        with contextlib.suppress(OSError):  # what can't be shown is in the log
            self._console.print(escape(harmless(text)), highlight=False, soft_wrap=True)

    def call_finished(self, agent: str, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        """The call is over."""
        if self._debug or outcome is not Outcome.OK:
            self.note(f"{self._clock()}   {agent}: {outcome.value}, {tokens} tokens in {duration_ms / 1000:.1f} s")

    def milestone_changed(self, milestone: Milestone) -> None:
        """Print what is new about a milestone."""
        now = (milestone.status, len(milestone.attempts))
        before = self._seen.get(milestone.id)
        self._seen[milestone.id] = now
        if before == now:
            return
        if before is not None and now[1] > before[1]:
            self.note(f"{self._clock()} {milestone.id} attempt {now[1]}: {_verdict(milestone)}")
        if before is None or before[0] is not now[0]:
            self.note(f"{self._clock()} {milestone.id} {milestone.title}: {milestone.status.value}")

    def download(self, done: int, total: int, what: str) -> None:
        """Print every tenth part of a download."""
        percent = done * 10 // total * 10
        if percent != self._percent:
            self._percent = percent
            self.note(f"{what}: {percent} % of {total / 1e9:.1f} GB")

    def _clock(self) -> str:
        return _minutes(time.monotonic() - self._began)


class LiveView(PlainView):
    """A table that is redrawn in place: milestones, agents at work, tokens, time."""

    def __init__(self, console: Console, debug: bool) -> None:
        super().__init__(console, debug)
        self._milestones: dict[str, Milestone] = {}
        self._working: dict[str, int] = {}
        self._tokens = 0
        self._download = ""
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._working.clear()
        self._live.stop()

    def call_started(self, agent: str, model: str) -> None:
        """A call is about to be sent."""
        self._working[agent] = 0

    def call_progress(self, agent: str, tokens: int) -> None:
        """``tokens`` have arrived so far."""
        self._working[agent] = tokens

    def call_finished(self, agent: str, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        """The call is over."""
        self._working.pop(agent, None)
        self._tokens += tokens
        super().call_finished(agent, outcome, tokens, duration_ms)

    def milestone_changed(self, milestone: Milestone) -> None:
        """Show what is new about a milestone."""
        self._milestones[milestone.id] = milestone

    def download(self, done: int, total: int, what: str) -> None:
        """Show a download."""
        self._download = "" if done == total else f"{what}: {100 * done // total} % of {total / 1e9:.1f} GB"

    def _draw(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("milestone", "title", "status", "attempt", "last verdict"):
            table.add_column(column, overflow="fold")
        for m in self._milestones.values():
            style = _STYLE.get(m.status, "dim")
            attempt = len(m.attempts) + (m.status is Status.RUNNING)
            verdict = escape(harmless(_verdict(m))) if m.attempts else ""
            title = escape(harmless(m.title))
            table.add_row(escape(m.id), title, f"[{style}]{m.status.value}[/]", str(attempt or ""), verdict)
        working = ", ".join(f"{agent} ({tokens})" for agent, tokens in sorted(self._working.items())) or "–"
        table.caption = self._download or f"{self._clock()} · {self._tokens} tokens out · at work: {working}"
        table.caption_justify = "left"
        return table


def view_for(console: Console, *, quiet: bool, debug: bool) -> QuietView:
    """Return the view that suits where the output goes."""
    if quiet:
        return QuietView()
    return LiveView(console, debug) if console.is_terminal else PlainView(console, debug)


def _verdict(milestone: Milestone) -> str:
    last = milestone.attempts[-1]
    if last.evaluation is None or last.tests is None:
        return f"no verdict: {(last.failure or '').splitlines()[0][:100] if last.failure else ''}"
    word = "pass" if last.evaluation.passed else "fail"
    why = (
        ""
        if last.evaluation.passed
        else f": {last.evaluation.feedback[0].splitlines()[0][:100]}"
        if last.evaluation.feedback
        else ""
    )
    return f"{word}, score {last.evaluation.score:.2f}, tests {last.tests.passed}/{last.tests.total}{why}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
