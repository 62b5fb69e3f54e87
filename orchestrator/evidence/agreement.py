"""Which of several versions of a program most others agree with, where no check tells them apart.

They are run on further inputs, varied from the task's examples by type (as EvalPlus does: Liu et al. 2023,
arXiv 2305.01210), and the version is preferred whose results most versions share (MBR-EXEC: Shi et al. 2022,
arXiv 2204.11454). It never makes up for what fails: it orders what the facts leave equal, and a small model's program
that the others do not agree with is not accepted before more were tried (`orchestrator.rubric.sure`).
"""

from __future__ import annotations

import ast
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, RootModel, ValidationError

from orchestrator.sandbox.port import Command, Sandbox
from orchestrator.scratch import scratch
from schemas.base import Schema

__all__ = ["HARNESS", "Shares", "measured", "varied"]

HARNESS = Path(__file__).with_name("agreement_harness.py").resolve()
CALLS = 40
"""So many calls are tried."""
SECONDS = 60.0
RAISES = "raises "
"""What the harness writes of a call that raised begins with this; no literal's text does."""


class Shares(Schema):
    """What the comparison of several versions came to."""

    shares: list[float]
    """For each version, which share of the other voters comes to the same, on average over the calls (0–1)."""
    calls: int = Field(ge=0)
    """On how many calls that rests: those that most voters refuse do not count."""
    results: int = Field(ge=0)
    """How many different results there were: where all are the same, to agree says nothing."""


class _Results(RootModel[list[list[str | None]]]):
    """For each version, what each call came to."""


def varied(calls: Sequence[str], count: int = CALLS) -> list[str]:
    """Return ``calls`` and calls like them, with other arguments of the same types: always the same ones."""
    lot = random.Random("\n".join(calls))  # noqa: S311  (not for secrets)
    parsed = [(call.func, [ast.literal_eval(value) for value in call.args]) for call in map(_call, calls) if call]
    found = dict.fromkeys(calls)
    pool = [value for _, values in parsed for value in values]
    for _ in range(20 * count if parsed else 0):
        if len(found) >= count:
            break
        function, values = lot.choice(parsed)
        if not values:
            break
        changed = list(values)
        for place in lot.sample(range(len(changed)), lot.randint(1, len(changed))):
            for _ in range(lot.randint(1, 3)):
                changed[place] = _other(changed[place], pool, lot)
        found[f"{ast.unparse(function)}({', '.join(map(repr, changed))})"] = None
    return list(found)


def _call(source: str) -> ast.Call | None:
    node = ast.parse(source, mode="eval").body
    return node if isinstance(node, ast.Call) and not node.keywords else None


def _other(value: Any, pool: Sequence[Any], lot: random.Random) -> Any:
    """Return another value of the same type, near ``value``."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return lot.choice([value + 1, value - 1, value * 2, value // 2, 0, lot.randint(0, max(10, 2 * abs(value)))])
    if isinstance(value, float):
        return lot.choice([value + 1, value / 2, -value, round(value), round(lot.uniform(-10, 10), 2)]) * 1.0
    if isinstance(value, str):
        like = [v for v in pool if isinstance(v, str)] or [value]
        return "".join(_rearranged(list(value), [c for text in like for c in text], lot))
    if isinstance(value, list | tuple):
        like = [item for v in pool if isinstance(v, list | tuple) for item in v]
        items = list(value)
        if items and lot.random() < 0.5:
            place = lot.randrange(len(items))
            items[place] = _other(items[place], pool, lot)
        else:
            items = _rearranged(items, like, lot)
        return type(value)(items)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if lot.random() < 0.8}
        return {key: _other(item, pool, lot) if lot.random() < 0.3 else item for key, item in kept.items()}
    return value


def _rearranged(items: list[Any], like: Sequence[Any], lot: random.Random) -> list[Any]:
    place = lot.randint(0, len(items))
    match lot.randrange(6):
        case 0:
            return items[:place] + items[place + 1 :]
        case 1 if like:
            return [*items[:place], lot.choice(like), *items[place:]]
        case 2:
            return items[::-1]
        case 3:
            return lot.sample(items, len(items))
        case 4:
            return (items + items[:place])[:200]
        case _:
            return items[:place]


async def measured(
    sandbox: Sandbox,
    environment: Path,
    versions: Sequence[str],
    voters: Sequence[str],
    calls: Sequence[str],
    *,
    errors: bool,
) -> Shares:
    """Return for each of ``versions`` which share of the other ``voters`` comes to the same, on average over ``calls``
    for which at least half of the voters have a value. With ``errors`` an error is a result, too, and the share is at
    most that on the calls that most refuse; else those are left out. All zero where nothing could be run.

    Raises:
        Unavailable: the sandbox could not be made.
    """
    different = list(dict.fromkeys([*versions, *voters]))
    rows = dict(zip(different, await _rows(sandbox, environment, different, calls), strict=True))
    refused: list[list[str | None]] = []
    answered: list[list[str | None]] = []
    for number in range(len(calls)):
        outcomes = [rows[version][number] for version in different]
        said = [rows[voter][number] for voter in voters]
        if 2 * sum(_value(outcome) is None for outcome in said) <= len(voters):
            answered.append(outcomes if errors else [_value(outcome) for outcome in outcomes])
        elif 2 * said.count(None) <= len(voters):
            refused.append(outcomes)
    values = {outcome for outcomes in answered for outcome in outcomes if outcome is not None}
    weights = [voters.count(version) for version in different]
    shares = _shares(answered, weights)
    if errors and refused:
        shares = [min(pair) for pair in zip(shares, _shares(refused, weights), strict=True)]
    of = dict(zip(different, shares, strict=True))
    return Shares(shares=[of[version] for version in versions], calls=len(answered), results=len(values))


def _value(outcome: str | None) -> str | None:
    return None if outcome is None or outcome.startswith(RAISES) else outcome


def _shares(calls: Sequence[Sequence[str | None]], weights: Sequence[int]) -> list[float]:
    """Return for each version which share of the others comes to the same, on average over ``calls``, which hold what
    each version came to; it counts ``weights`` times."""
    same = [0.0] * len(weights)
    for outcomes in calls:
        count: Counter[str] = Counter()
        for outcome, weight in zip(outcomes, weights, strict=True):
            if outcome is not None:
                count[outcome] += weight
        for place, (outcome, weight) in enumerate(zip(outcomes, weights, strict=True)):
            others = sum(weights) - bool(weight)
            if outcome is not None and others:
                same[place] += (count[outcome] - bool(weight)) / others
    return [share / len(calls) if calls else 0.0 for share in same]


async def _rows(
    sandbox: Sandbox, environment: Path, programs: Sequence[str], calls: Sequence[str]
) -> list[list[str | None]]:
    """Return what each call came to in each program; None throughout where that could not be found out."""
    unknown: list[list[str | None]] = [[None] * len(calls) for _ in programs]
    with scratch() as folder:
        project = folder / "empty"
        project.mkdir(mode=0o755)
        plan = folder / "plan.json"
        plan.write_text(json.dumps({"programs": list(programs), "calls": list(calls)}), encoding="utf-8")
        plan.chmod(0o644)
        command = Command(
            argv=("python", "-I", str(HARNESS), str(plan)),
            project=project,
            environment=environment,
            readable=(HARNESS, plan),
            seconds=SECONDS,
            report=True,
        )
        report = (await sandbox.run(command)).report
    try:
        rows = _Results.model_validate_json(report).root
    except ValidationError:
        return unknown
    fits = len(rows) == len(programs) and all(len(row) == len(calls) for row in rows)
    return rows if fits else unknown
