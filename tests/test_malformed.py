"""Whatever models answer, a run ends in a recorded outcome: 500 replies, spoilt in seeded ways, in each system."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.ports import Progress, Traits
from orchestrator.journal.events import read_events, verify
from orchestrator.workspace.layout import RunFiles
from schemas.call import ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode
from tests.helpers import go
from tests.replies import (
    CORE,
    CORE_SKELETON,
    CORE_TESTS,
    MAIN,
    MAIN_SKELETON,
    MAIN_TESTS,
    MEND,
    NO_CHANGE,
    PLAN,
    SMALL,
    arch,
    files,
    judgement,
    python,
    ruling,
    spec,
)
from tests.test_refine import FINE, GOOD, run
from tests.test_routing import to

LARGE = Traits(step="project", context_tokens=200_000, max_output_tokens=16_000)
FINDING = """```finding path=greeter/core.py criterion=rules
It is thin.
<<<<<<< REMOVE
\"\"\"Greetings.\"\"\"
=======
\"\"\"Greetings, by name.\"\"\"
>>>>>>> ADD
```"""
EACH = 125
"""So many spoilt replies in each of the four ways to run."""


def spoilt(lot: random.Random, text: str) -> str:
    """Return ``text`` as a model might get it wrong."""
    ways: list[Callable[[], str]] = [
        lambda: "",
        lambda: text[: lot.randrange(len(text))],
        lambda: f"Certainly! Here it is:\n\n{text}\n\nLet me know if {{this}} helps.",
        lambda: text.replace('"', "'"),
        lambda: text.replace("}", "", 1).replace("```", "``"),
        lambda: text.replace("```", "~~~"),
        lambda: text.removesuffix("```"),
        lambda: re.sub(r"path=\S+", "path=../../etc/passwd", text),
        lambda: re.sub(r"path=\S+", "path=.git/hooks/pre-commit", text),
        lambda: re.sub(r"(?<=path=)\S+", "tests", text),
        lambda: re.sub(r'"next_agent": "\w+"', '"next_agent": "wizard"', text),
        lambda: "".join(chr(lot.randrange(1, 0x2FF)) for _ in range(400)),
        lambda: "\0" * 50 + text,
        lambda: "\ud800 is no text" if lot.random() < 0.5 else "﻿" + text,
        lambda: text.replace(': "', ': "\\ud800', 1),
        lambda: "x" * 1_000_000,
        lambda: text * 40,
        lambda: "[" * 5_000,
        lambda: "\n" * 300_000,
        lambda: "<<<<<<< REMOVE\n" * 9_000,
        lambda: text.replace(">>>>>>> ADD", ">>>>>>> REPLACE", 1),
        lambda: text.replace("=======", "=====\n=======\n======="),
        lambda: text.replace("<<<<<<< REMOVE\n", "<<<<<<< REMOVE\nno such line\n"),
        lambda: '{"a":' * 3_000 + "1" + "}" * 3_000,
        lambda: text.replace(":", ": NaN,", 1),
        lambda: re.sub(r"\d", "9" * 400, text, count=1),
        lambda: text.replace("def ", "class ", 1),
        lambda: text.replace("    ", "\t  ", 1),
        lambda: json.dumps({"reason": 1, "next_agent": None, "files": "all", "scores": []}),
    ]
    return lot.choice(ways)()


class Sloppy:
    """Knows every answer, and spoils six of ten."""

    def __init__(self, seed: int, traits: Traits) -> None:
        self.name = f"sloppy/{seed}"  # so that no reply of another one is used again
        self.traits = traits
        self.spoilt = 0
        self._lot = random.Random(seed)

    async def close(self) -> None: ...

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        text = self.right(request)
        if self._lot.random() < 0.6:
            self.spoilt += 1
            text = spoilt(self._lot, text)
        more = [spoilt(self._lot, text or "x") for _ in range(request.choices - 1)]
        return ModelReply(text=text, alternatives=more, stop_reason="end", usage=Usage(), model=self.name)

    def right(self, request: ModelRequest) -> str:
        prompt, large = request.messages[0].content, self.traits.step == "project"
        second = "M2: Command" in prompt or "main" in prompt
        path, skeleton, tests, code = (
            ("greeter/__main__.py", MAIN_SKELETON, MAIN_TESTS, MAIN)
            if second
            else ("greeter/core.py", CORE_SKELETON, CORE_TESTS, CORE)
        )
        name = "main" if second else "greet"
        return {
            "planner": PLAN,
            "spec": NO_CHANGE if "The contracts so far" in prompt else spec(name),
            "arch": arch(path)
            if "Plan the architecture" in prompt
            else (files({path: skeleton}) if large else f"```python\ndef {name}(name: str) -> str:"),
            "tester": files({f"tests/test_{'m2' if second else 'm1'}_unit.py": tests}) if large else python(tests),
            "impl": (MEND if "Mend this with" in prompt else files({path: code})) if large else python(code),
            "critic": ruling("code") if "This generated test fails" in prompt else FINDING,
            "evaluator": judgement(),
            "router": to(self._lot.choice(["engineer", "architect", "critic", "finish"]))[1],
            "refactorer": f"{FINDING}".replace("finding", "edit").replace("It is thin.\n", ""),
            "memory": "much was tried",
            "generator": python(GOOD),
            "refiner": python(GOOD),
            "scorer": FINE,
        }[request.agent]


def recorded(files: RunFiles) -> list[str]:
    """Return what is wrong with a run's records."""
    events = list(read_events(files.events))
    wrong = [str(e)[:2_000] for e in events if e["event"] == "internal_error"]
    outcomes = {e["outcome"] for e in events if e["event"] == "agent_call"}
    wrong += sorted(outcomes - {"ok", "invalid_output", "truncated"})
    return [*wrong, *verify(files.events), *([] if (files.generated / "report.json").exists() else ["no report"])]


@pytest.mark.parametrize(
    ("routing", "traits"), [("fixed", LARGE), ("planner", LARGE), ("planner", SMALL)], ids=["fixed", "planner", "small"]
)
def test_a_pipeline_run_ends_in_a_recorded_outcome(routing: str, traits: Traits, tmp_path: Path) -> None:
    total = seed = 0
    while total < EACH:
        seed += 1
        model = Sloppy(seed, traits)
        done = go(tmp_path, model, name=f"run-{seed}", routing=routing, review="on", refactor="on")
        assert recorded(done.files) == []
        assert done.code in (ExitCode.OK, ExitCode.NOT_ACCEPTED), (seed, done.report.stopped_by)
        total += model.spoilt


def test_a_refinement_ends_in_a_recorded_outcome(tmp_path: Path) -> None:
    total = seed = 0
    while total < EACH:
        seed += 1
        model = Sloppy(seed, LARGE)
        folder = tmp_path / str(seed)
        result, code = run(folder, model, run=seed % 5 == 0)
        assert code in (ExitCode.OK, ExitCode.NOT_ACCEPTED), (seed, result.stopped_by)
        (events,) = folder.rglob("events.jsonl")
        assert not [e for e in read_events(events) if e["event"] == "internal_error"]
        total += model.spoilt
