"""Scorer: says what keeps a program from being perfect, each flaw as an exact edit with the points that it is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import Field

from agents.by_line import edit_of, lines_of
from agents.edits import apply, blocks_of
from agents.parsing import Fence, fences, json_as, schema_of
from agents.programs import ProgramTask
from agents.runner import Runner, Task
from schemas.base import Schema, digest_of
from schemas.code_change import CodeChange, Edit
from schemas.refinement import PROGRAM, ScoredEdit, Scoring

__all__ = ["score"]

_SCORE = re.compile(r"^\W*Score\W*?\s*(\d+(?:\.\d+)?)(?:\s*/\s*10)?\W*$", re.M | re.I)
_REASON = re.compile(r"^\W*Reason\W*?\s+(.+?)(?=\n\s*\n|\n```|\n\W*Score|\Z)", re.M | re.I | re.S)


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
    schema["$defs"]["_Flaw"]["properties"]["line"] = {"enum": single}
    read = json_as(_ByLine)

    def parse(text: str) -> Scoring:
        reply = read(text)
        found = [(edit_of(PROGRAM, f.line, f.instead), f.points) for f in reply.flaws if f.line in single]
        edits = [ScoredEdit(edit=edit, points=float(points)) for edit, points in found if edit is not None]
        return Scoring(reason=reply.reason, edits=edits, said=float(reply.score))

    return Task("scorer", "lines", variables, parse, max_tokens=400, schema=schema, sample=sample)


def _scoring(text: str, program: str) -> Scoring:
    reason, number = _REASON.search(text), _SCORE.findall(text)
    if reason is None:
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
    return Scoring(reason=" ".join(reason[1].split())[:1_000], edits=edits, said=said)


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
