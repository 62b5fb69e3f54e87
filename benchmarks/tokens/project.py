"""A project of any number of milestones, and a model that plays it: the same words at every run.

Each milestone is a module of three functions that builds on the module before. The code of every second milestone lacks
a check at first; a generated test notices, and the second attempt mends it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.ports import Progress, Traits
from agents.skeleton import interface
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.terminal import QuietView
from schemas.call import ModelReply, ModelRequest, Usage
from schemas.evidence import Evidence
from schemas.idea import Idea, PinnedMilestone
from schemas.milestone import Milestone, Status
from schemas.test_report import Failure, TestReport, TestResult

__all__ = ["Asked", "Call", "Played", "Player", "View", "idea", "retried"]

_BEHAVIOUR = {
    "bounds": "Returns the smallest and the largest value that step {n} takes.",
    "step": "Returns value taken {n} further than the step before does.",
    "report": "Returns one line for each of values, in their order: what became of it, or why it was refused.",
}
_HEADS = {
    "bounds": "() -> tuple[int, int]",
    "step": "(value: int) -> int",
    "report": "(values: list[int]) -> list[str]",
}
_CHECK = """    if not low <= value <= high:
        raise ValueError(f"{{value}} is not between {{low}} and {{high}}")
"""
_BODIES = {
    "bounds": "    return 0, 1_000_000 - {n}\n",
    "step": "    low, high = bounds_{n}()\n" + _CHECK + "    reached = {before}\n"
    "    for _ in range({n}):\n        reached += 1\n    return reached\n",
    "report": "    lines: list[str] = []\n    for value in values:\n        try:\n"
    '            lines.append(f"{{value}} becomes {{step_{n}(value)}}")\n'
    "        except ValueError as error:\n"
    '            lines.append(f"{{value}} was refused: {{error}}")\n    return lines\n',
}
_TESTS = {
    "bounds": "def test_bounds_{n}_begin_at_nothing() -> None:\n    assert bounds_{n}() == (0, 1_000_000 - {n})\n",
    "step": "def test_step_{n}_goes_further() -> None:\n    assert step_{n}(1) == {reached}\n\n\n"
    "def test_step_{n}_refuses_what_is_out_of_bounds() -> None:\n"
    "    with pytest.raises(ValueError):\n        step_{n}(-1)\n",
    "report": "def test_report_{n}_has_a_line_for_each_value() -> None:\n"
    '    assert report_{n}([1]) == ["1 becomes {reached}"]\n',
}
_DIMENSIONS = ("correctness", "code_quality", "security", "maintainability", "scalability")


def retried(milestone: int) -> bool:
    """Return whether ``milestone`` (from 1) takes two attempts."""
    return milestone % 2 == 0


def idea(count: int) -> Idea:
    """Return a project of ``count`` milestones in a row, at most 40, as the product's own ideas are."""
    return Idea(
        name="Chain",
        summary="Takes a number from step to step, each further than the one before, and reports on it.",
        features=[
            f"step {n} takes a number {n} further and refuses what is out of bounds" for n in range(1, count + 1)
        ],
        milestones=[
            PinnedMilestone(
                id=f"M{n}",
                title=f"Step {n}",
                description=f"Take a number {n} further than the step before does, within bounds, and report on it.",
                acceptance_criteria=[f"step {n} takes it {n} further", "what is out of bounds is refused"],
                dependencies=[f"M{n - 1}"] if n > 1 else [],
            )
            for n in range(1, count + 1)
        ],
    )


@dataclass(frozen=True)
class Asked:
    """What a prompt was made from."""

    agent: str
    step: str
    variables: Mapping[str, object]
    files: Mapping[str, str]
    """The whole project as it stood, path → content."""


@dataclass(frozen=True)
class Call:
    """One call of the run."""

    request: ModelRequest
    reply: str
    asked: Asked


class Player:
    """Plays the model ``name`` and notes every call in ``calls``. ``asked`` knows what each prompt was made from."""

    def __init__(
        self,
        name: str,
        traits: Traits,
        at: Callable[[], tuple[int, int]],
        asked: Mapping[str, Asked],
        calls: list[Call],
    ) -> None:
        self.name = name
        self.traits = traits
        self._at = at
        self._asked = asked
        self._calls = calls

    async def close(self) -> None:
        """Nothing to give back."""

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer at once, as often as is asked."""
        asked = self._asked[request.messages[0].content]
        text = _says(asked, *self._at())
        self._calls.append(Call(request, text, asked))
        more = [text] * (request.choices - 1)
        return ModelReply(text=text, alternatives=more, stop_reason="end", usage=Usage(), model=self.name)


class View(QuietView):
    """Sees which milestone and which attempt the run is at."""

    def __init__(self) -> None:
        self.at = (1, 1)

    def milestone_changed(self, milestone: Milestone) -> None:
        """A milestone has another status or another attempt."""
        if milestone.status is Status.RUNNING:
            self.at = int(milestone.id.removeprefix("M")), len(milestone.attempts) + 1


class Played(Laboratory):
    """Says of each test what running it would: all pass but those of a step that lacks its check."""

    async def _examined(self, subject: Subject) -> Evidence:
        results, failures = [], []
        for path in (path for path in subject.files if path.startswith("tests/")):
            for test in (n for n in ast.parse(subject.files[path]).body if isinstance(n, ast.FunctionDef)):
                node, number = f"{path}::{test.name}", re.findall(r"\d+", test.name)[0]
                wrong = "refuses" in test.name and "not low <=" not in subject.files[f"chain/step_{number}.py"]
                results.append(TestResult(id=node, outcome="failed" if wrong else "passed"))
                if wrong:
                    error, place = "Failed: DID NOT RAISE ValueError", f"{path}:{test.lineno + 2}"
                    failures.append(Failure(test=node, error=error, location=place, source=ast.unparse(test)))
        count, bad = len(results), len(failures)
        tests = TestReport(
            total=count, passed=count - bad, failed=bad, coverage=100.0, results=results, failures=failures
        )
        return Evidence(generated=tests, acceptance=None, program=None)

    async def _scrutinised(self, subject: Subject) -> Evidence:
        return await self.examine(subject)


def _says(asked: Asked, n: int, attempt: int) -> str:
    """Return what the agent answers on milestone ``n``."""
    whole, path = not (retried(n) and attempt == 1), f"chain/step_{n}.py"
    answers: dict[str, Callable[[], str]] = {
        "spec specify": lambda: json.dumps(_specification(n)),
        "spec revise": lambda: json.dumps({"reason": "the code is wrong, not the contract", "contracts": []}),
        "arch structure": lambda: json.dumps(_architecture(n)),
        "arch skeletons": lambda: _fenced(interface(_module(n)), path),
        "arch signature": lambda: f"```python\ndef {_named(asked)}_{n}{_HEADS[_named(asked)]}:",
        "tester project": lambda: _fenced(_tests(n), f"tests/test_m{n}_unit.py"),
        "tester function": lambda: _fenced(f"import pytest\n\n\n{_filled(_TESTS[_named(asked)], n)}"),
        "impl project": lambda: _fenced(_module(n, whole=whole), path),
        "impl edits": lambda: _edit(n, path),
        "impl function": lambda: _fenced(_function(_named(asked), n, whole=whole)),
        "impl mend": lambda: _fenced(_function(_named(asked), n)),
        "critic rule": lambda: json.dumps({"reason": "the contract says what is refused", "wrong": "code"}),
        "critic review": lambda: "No findings.",
        "evaluator judge": lambda: json.dumps(_judgement(n, 4 if whole else 3)),
        "refactorer project": lambda: "Nothing to do.",
        "memory summarise": lambda: f"{n} steps were built, each on the one before; all refuse what is out of bounds.",
    }
    return answers[f"{asked.agent} {asked.step}"]()


def _named(asked: Asked) -> str:
    """Return which of the three functions is asked for."""
    about = asked.variables.get("symbol") or asked.variables["contract"]
    return str(getattr(about, "name", "")).partition("_")[0]


def _tests(n: int) -> str:
    names = ", ".join(f"{name}_{n}" for name in _HEADS)
    tests = "\n\n".join(_filled(text, n) for text in _TESTS.values())
    return f"import pytest\nfrom chain.step_{n} import {names}\n\n\n{tests}"


def _edit(n: int, path: str) -> str:
    last = f"    low, high = bounds_{n}()\n"
    return f"```edit path={path}\n<<<<<<< REMOVE\n{last}=======\n{last}{_filled(_CHECK, n)}>>>>>>> ADD\n```"


def _filled(text: str, n: int) -> str:
    before = f"step_{n - 1}(value)" if n > 1 else "value"
    return text.format(n=n, before=before, reached=1 + sum(range(1, n + 1)))


def _function(name: str, n: int, *, whole: bool = True) -> str:
    errors = " Raises ValueError where value is out of bounds." if name == "step" else ""
    body = _BODIES[name] if whole else _BODIES[name].replace(_CHECK, "")
    return f'def {name}_{n}{_HEADS[name]}:\n    """{_filled(_BEHAVIOUR[name], n)}{errors}"""\n{_filled(body, n)}'


def _module(n: int, *, whole: bool = True) -> str:
    imports = f"\nfrom chain.step_{n - 1} import step_{n - 1}\n" if n > 1 else ""
    functions = "\n\n".join(_function(name, n, whole=whole) for name in _HEADS)
    return f'"""Step {n} of the chain: its bounds, the step itself, and a report on many."""\n{imports}\n\n{functions}'


def _fenced(source: str, path: str = "") -> str:
    return f"```python{f' path={path}' if path else ''}\n{source}```"


def _specification(n: int) -> dict[str, object]:
    def contract(name: str) -> dict[str, object]:
        takes, _, returns = _HEADS[name].partition(" -> ")
        return {
            "kind": "function",
            "name": f"{name}_{n}",
            "method": "call",
            "request": takes.strip("()") or "nothing",
            "response": returns,
            "behaviour": _filled(_BEHAVIOUR[name], n),
            "errors": ["ValueError: value is out of bounds"] if name == "step" else [],
        }

    stories = [("user", f"to take a number {n} further", "I get on"), ("user", "a report", "I see what became of it")]
    stories += [("caller", "what is out of bounds refused", "I notice my mistake")]
    return {
        "prd": ["Chain takes numbers from step to step.", f"Step {n} adds {n} to what the step before made of it."],
        "user_stories": [{"role": role, "want": want, "benefit": benefit} for role, want, benefit in stories],
        "contracts": [contract(name) for name in _HEADS],
        "data_model": [],
        "non_functional": {"performance": "At once.", "security": "Input is checked.", "scalability": "Linear."},
    }


def _architecture(n: int) -> dict[str, object]:
    return {
        "files": [{"path": f"chain/step_{n}.py", "purpose": f"step {n}: its bounds, the step, and a report on many"}],
        "schemas": [],
        "boundaries": [f"chain/step_{n}.py is responsible for step {n} alone"],
        "internal_dependencies": [],
        "external_dependencies": [],
        "technology": [{"choice": "standard library", "rationale": "numbers and lists are all that is needed"}],
    }


def _judgement(n: int, correctness: int) -> dict[str, object]:
    reason = f"step_{n} and its neighbours are short, typed and say what they do"
    opinions = {name: {"reason": reason, "score": correctness if name == "correctness" else 4} for name in _DIMENSIONS}
    return {**opinions, "feedback": [f"say in the docstring of report_{n} what a line holds"]}
