"""Critic: reviews code against its criteria and contracts, and rules whether a failing test or the code is wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agents.by_line import edit_of, lines_of
from agents.context import Context
from agents.contracts import objects
from agents.edits import apply, blocks_of
from agents.names import Definition, names_used
from agents.parsing import Fence, fences, json_as, parse_module, path_of, schema_of
from agents.runner import Runner, Task
from agents.selection import interfaces, whole
from schemas.base import Schema, digest_of
from schemas.code_change import CodeChange, Edit, Version
from schemas.evidence import Ruling
from schemas.review import ReviewFinding
from schemas.specification import Specification
from schemas.test_report import Failure

__all__ = ["review", "rule"]

MAX_FINDINGS = 8


class _Flaw(Schema):
    criterion: str
    why: str = Field(min_length=1, max_length=400)
    line: str = Field(max_length=1_000)
    instead: str = Field(max_length=1_000)


class _Flaws(Schema):
    findings: list[_Flaw] = Field(max_length=3)


async def review(runner: Runner, context: Context, specification: Specification) -> list[ReviewFinding]:
    """Return what keeps the milestone's code from its criteria and contracts, each flaw with its exact edit.

    A small model, which can't keep to the form of edits, chooses among the code's own lines instead.

    Raises:
        AgentFailure: no reply was usable.
    """
    code = whole(context)
    criteria = {f"C{n}": c.statement for n, c in enumerate(context.milestone.acceptance_criteria, 1)}
    criteria |= {"contracts": "does what the contracts say", "rules": "keeps the rules for code"}
    variables = {
        **context.variables("critic"),
        **interfaces(context, without=code),
        "labelled": criteria,
        "contracts": specification.contracts,
        "evidence": context.evidence,
        "code": code,
        "mark": f"CODE-{digest_of(code)[:12]}",
    }
    if runner.model("critic").traits.step == "function":
        if not lines_of(code):
            return []
        return await runner.ask(_by_line(context, variables, code, criteria))

    def parse(text: str) -> list[ReviewFinding]:
        found = [finding for fence in fences(text) for finding in _findings(fence, code, criteria)]
        if not found and "no finding" not in text.lower():
            raise ValueError("there is no block with a finding; if nothing is wrong, answer: No findings.")
        return found[:MAX_FINDINGS]

    return await runner.ask(Task("critic", "review", variables, parse, max_tokens=3_000, sample=context.sample))


def _findings(fence: Fence, code: Mapping[str, str], criteria: Mapping[str, str]) -> list[ReviewFinding]:
    """Return the findings of one block: one for each REMOVE/ADD pair."""
    path = path_of(fence.info)
    named = re.search(r"criterion=(\S+)", fence.info)
    if named is None or named[1] not in criteria:
        raise ValueError(f"a block has no criterion={'|'.join(criteria)} behind its ticks: {fence.info[:80]!r}")
    said, sign, rest = fence.content.partition("<<<<<")
    message = " ".join(said.split())[:400]
    pairs = blocks_of(Fence(fence.info, sign + rest))
    if not message or not pairs:
        raise ValueError(f"{path}: a finding needs a sentence that says why, and a REMOVE/ADD block")
    edits = [Edit(path=path, remove=remove, add=add) for remove, add in pairs]
    return [_finding(edit, message, criteria[named[1]], code) for edit in edits]


def _finding(edit: Edit, message: str, criterion: str, code: Mapping[str, str]) -> ReviewFinding:
    """Return the finding, at the line where its edit applies.

    Raises:
        ValueError: the edit does not apply to ``code``, or changes nothing.
    """
    before = code.get(edit.path, "").split("\n")
    after = apply(CodeChange(edits=[edit]), code).files[edit.path].split("\n")
    changed = next((n for n, (a, b) in enumerate(zip_longest(before, after), 1) if a != b), None)
    if changed is None:
        raise ValueError(f"{edit.path}: an edit changes nothing: {edit.remove.strip()[:80]!r}")
    line = min(changed, len(before))
    return ReviewFinding(path=edit.path, line=line, criterion=criterion, message=message, edit=edit)


def _by_line(
    context: Context, variables: Mapping[str, object], code: Mapping[str, str], criteria: Mapping[str, str]
) -> Task[list[ReviewFinding]]:
    """Ask for flaws of single lines."""
    lines = lines_of(code)
    schema = schema_of(_Flaws)
    schema["$defs"]["_Flaw"]["properties"] |= {"line": {"enum": list(lines)}, "criterion": {"enum": list(criteria)}}
    read = json_as(_Flaws)

    def parse(text: str) -> list[ReviewFinding]:
        found = []
        for flaw in read(text).findings:
            edit = edit_of(lines[flaw.line], flaw.line, flaw.instead) if flaw.line in lines else None
            if edit is not None and flaw.criterion in criteria:
                found.append(_finding(edit, flaw.why, criteria[flaw.criterion], code))
        return found

    return Task("critic", "lines", variables, parse, max_tokens=300, schema=schema, sample=context.sample)


class _Reply(Schema):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    wrong: Literal["code", "test"]


CONSENSUS = 2
"""So many independent replies, with none that differs, outweigh a test: it is a single reply itself."""

WITNESSES = 4
"""So many replies must have had the chance to pass a small model's test before it is dropped because none does."""


async def rule(runner: Runner, context: Context, failure: Failure, versions: Sequence[Version] = ()) -> Ruling:
    """Return whether the code or the test of ``failure`` is wrong. Sealed checks are never brought here.

    ``versions`` are what else was written and measured: where they decide, nobody is asked.
    """
    outvoted = _consensus(context, failure, versions)
    if outvoted is None and runner.model("critic").traits.step == "function":
        outvoted = _unwitnessed(context, failure, versions)
    if outvoted is not None:
        return outvoted
    mark = f"OUTPUT-{digest_of(failure.error)[:12]}"
    variables = {**context.variables("critic"), "failure": failure, "mark": mark, **interfaces(context)}
    reply = await runner.ask(
        Task(
            "critic",
            "rule",
            variables,
            json_as(_Reply),
            max_tokens=250,
            schema=schema_of(_Reply),
            sample=context.sample,
        )
    )
    return Ruling(test=failure.test, reason=reply.reason, wrong=reply.wrong)


def _consensus(context: Context, failure: Failure, versions: Sequence[Version]) -> Ruling | None:
    """Rule by what was measured: the agreement of CodeT (Chen et al. 2022, arXiv 2207.10397).

    Where versions of a function that were written independently of each other, and of the test, all meet the
    user's own checks of that function, and all fail the test, then more likely it is the test that is wrong.
    """
    uses = _proofs(context, failure, versions)
    sound = [v for v in versions if uses.get(v.function) and uses[v.function] <= v.evidence.met]
    against = [v for v in sound if _fails(v, failure)]
    if len(against) < len(sound):
        return None  # a sound version passes the test: it is not the test that is wrong
    for name in sorted(uses):
        votes = sum(v.replies for v in against if v.function == name)
        if votes >= CONSENSUS:
            reason = (
                f"{votes} versions of {name}, written independently, meet every sealed check of it and fail this test"
            )
            return Ruling(test=failure.test, reason=reason, wrong="test")
    return None


def _unwitnessed(context: Context, failure: Failure, versions: Sequence[Version]) -> Ruling | None:
    """Rule by what was measured where that is too little to outvote a test, and the one to ask is a small model: asked
    which is wrong, that says no better than a coin (decision 0017).

    A test counts against the code only if some version of the code, written independently of it, has passed it.
    """
    uses = _proofs(context, failure, versions)
    tried = [v for v in versions if v.function in uses]
    sound = [v for v in tried if uses[v.function] and uses[v.function] <= v.evidence.met]
    replies = sum(v.replies for v in tried)
    if not sound or replies < WITNESSES or not all(_fails(v, failure) for v in sound):
        return None
    reason = f"of {replies} versions of {', '.join(sorted(uses))}, none that meets its sealed checks passes this test"
    return Ruling(test=failure.test, reason=reason, wrong="test")


def _proofs(context: Context, failure: Failure, versions: Sequence[Version]) -> dict[str, set[str]]:
    """Return the functions that the test of ``failure`` uses and that there are ``versions`` of → their sealed checks.

    Those that use something unproven are left out, and objects: a check of one proves little of what else they do.
    """
    try:
        used = names_used(failure.source)
    except ValueError:
        return {}
    names = ({v.function for v in versions} & used) - objects(context)
    proven = [name for name in sorted(names) if _rests_on_proven(context, name)]
    return {name: {check.id for check in context.checks_of(name, context.checks_run)} for name in proven}


def _fails(version: Version, failure: Failure) -> bool:
    return failure.test in {f.test for f in version.evidence.generated.failures}


def _rests_on_proven(context: Context, name: str) -> bool:
    """Whether everything of the project that ``name`` uses, directly or not, is used by a sealed check.

    Versions of ``name`` share what they call: a defect there fails them all, and is no sign of a wrong test.
    """
    definitions = {
        node.name: names_used(ast.unparse(node))
        for path, source in context.code.items()
        for node in parse_module(source, path).body
        if isinstance(node, Definition)
    }
    todo, seen = [name], {name}
    while todo:
        called = (definitions.get(todo.pop(), set()) & set(definitions)) - seen
        seen |= called
        todo += called
    return all(context.checks_of(other, context.checks_run) for other in seen - {name})
