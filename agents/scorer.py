"""Scorer: says what keeps a program from being perfect, each flaw as an exact edit with the points that it is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import Field

from agents.by_line import edit_of, lines_of
from agents.edits import apply, blocks_of
from agents.parsing import MAX_REPLY, Fence, fences, json_as, schema_of
from agents.programs import ProgramTask
from agents.runner import Runner, Task
from schemas.base import Schema, digest_of
from schemas.code_change import CodeChange, Edit
from schemas.refinement import PROGRAM, ScoredEdit, Scoring

__all__ = ["score"]

_SCORE = re.compile(r"[^\w\n]{0,9}Score[*_ ]*[:=]?[*_ ]*(\d+(?:\.\d+)?)(?: ?(?:/|out of) ?10)?[*_. ]*", re.I)
"""A whole line; read line by line, so that no text makes it slow."""
_REASON = re.compile(r"[^\w\n]{0,9}Reason(?:[^\w\n]{1,9}(.*))?", re.I)


async def score(runner: Runner, task: ProgramTask, program: str, facts: Sequence[str]) -> Scoring:
    """Return what the scorer says: a reason, exact edits with the points that they are worth, and a number.

    A small model, which can't keep to the form, chooses among the program's own lines instead.

    Raises:
        AgentFailure: no reply was usable.
    """
    variables = {
        "prompt": task.prompt,
        "history": task.history,
        "program": program.strip("\n"),
        "facts": facts,
        "mark": f"PROGRAM-{digest_of(program)[:12]}",
    }
    if runner.model("scorer").traits.step == "function":
        return await runner.ask(_by_line(variables, program, task.sample))

    def parse(text: str) -> Scoring:
        return _scoring(text, program)

    return await runner.ask(Task("scorer", "score", variables, parse, max_tokens=4_000, sample=task.sample))


class _Flaw(Schema):
    line: str = Field(max_length=1_000)
    instead: str = Field(max_length=1_000)
    points: int = Field(ge=1, le=10)


class _ByLine(Schema):
    reason: str = Field(min_length=1, max_length=1_000)
    flaws: list[_Flaw] = Field(max_length=3)
    score: int = Field(ge=0, le=10)


def _by_line(variables: Mapping[str, object], program: str, sample: int) -> Task[Scoring]:
    """Ask for flaws of single lines; the schema admits no line but those that are there, each once."""
    single = list(lines_of({PROGRAM: program}))
    schema = schema_of(_ByLine)
    if single:
        schema["$defs"]["_Flaw"]["properties"]["line"] = {"enum": single}
    else:
        schema["properties"]["flaws"]["maxItems"] = 0
    read = json_as(_ByLine)

    def parse(text: str) -> Scoring:
        reply = read(text)
        found = [(edit_of(PROGRAM, f.line, f.instead), f.points) for f in reply.flaws if f.line in single]
        edits = [ScoredEdit(edit=edit, points=float(points)) for edit, points in found if edit is not None]
        return Scoring(reason=reply.reason, edits=edits, said=float(reply.score))

    return Task("scorer", "lines", variables, parse, max_tokens=400, schema=schema, sample=sample)


def _scoring(text: str, program: str) -> Scoring:
    if len(text) > MAX_REPLY:
        raise ValueError(f"the reply is longer than {MAX_REPLY} characters")
    lines = _outside_fences(text)
    reason = _reason(lines)
    number = [match[1] for line in lines if (match := _SCORE.fullmatch(line))]
    if not reason:
        raise ValueError("there is no line that begins with 'Reason:'")
    if not number:
        raise ValueError("there is no line 'Score:' with a number from 0 to 10")
    edits = [edit for fence in fences(text) for edit in _scored(fence, program)]
    said = float(number[-1])
    if not 0 <= said <= 10:
        raise ValueError(f"Score: {said:g} is not between 0 and 10")
    if said < 10 and not edits:
        raise ValueError(
            f"Score: {said:g}, but no edit says what to change: write the REMOVE/ADD blocks, or 10 if nothing is wrong"
        )
    return Scoring(reason=" ".join(reason.split())[:1_000], edits=edits, said=said)


def _reason(lines: Sequence[str]) -> str:
    """Return what stands behind ``Reason:``, up to an empty line, a fence or the score."""
    for number, line in enumerate(lines):
        if match := _REASON.fullmatch(line):
            rest = lines[number + 1 :]
            while not match[1] and rest and not rest[0]:
                rest = rest[1:]
            ends = (n for n, more in enumerate(rest) if not more or _SCORE.fullmatch(more))
            return "\n".join(filter(None, [match[1], *rest[: next(ends, len(rest))]]))
    return ""


def _outside_fences(text: str) -> list[str]:
    """Return the lines that are no code, stripped; an empty one stands for each fence."""
    lines, inside = list[str](), False
    for line in map(str.strip, text.split("\n")):
        if line.startswith("```"):
            inside = not inside
            lines.append("")
        elif not inside:
            lines.append(line)
    return lines


def _scored(fence: Fence, program: str) -> list[ScoredEdit]:
    """Return the edits of one block; their points are shared out among them."""
    blocks = blocks_of(fence)
    points = re.search(r"points\s*=\s*\+?(\d+(?:\.\d+)?)", fence.info)
    if not blocks or points is None:
        raise ValueError(f"a block has no points=N behind its ticks, or no REMOVE/ADD: {fence.info[:60]!r}")
    edits = [Edit(path=PROGRAM, remove=remove, add=add) for remove, add in blocks]
    for edit in edits:
        after = apply(CodeChange(edits=[edit]), {PROGRAM: program}).files[PROGRAM]
        if after == program:
            raise ValueError(f"an edit changes nothing: {edit.remove.strip().splitlines()[0][:80]!r}")
    worth = float(points[1])
    if not 0 < worth <= 10:
        raise ValueError(f"points={worth:g}: an edit is worth more than 0 points and at most 10")
    return [ScoredEdit(edit=edit, points=worth / len(edits)) for edit in edits]
