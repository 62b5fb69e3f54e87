"""Prompts stay bounded, however long a run is."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from agents.ports import Progress, Traits
from orchestrator.sandbox.direct import Direct
from schemas.call import ModelReply, ModelRequest, Usage, estimated_tokens
from schemas.milestone import Status
from tests.helpers import go
from tests.replies import NO_CHANGE, arch, files, judgement, spec

SKELETON = '''"""Step {n} of the chain."""
{imports}

def step_{n}(value: int) -> int:
    """Return ``value`` taken {n} further than the step before; ValueError where it is negative."""
    ...
'''
BODY = """    if value < 0:
        raise ValueError(f"{{value}} is negative")
    total = {start}
    for _ in range({n}):
        total += 1
    return total{wrong}
"""
TESTS = """import pytest
from chain.step_{n} import step_{n}


def test_step_{n}_goes_further() -> None:
    assert step_{n}(1) == {expected}


def test_step_{n}_refuses_what_is_negative() -> None:
    with pytest.raises(ValueError):
        step_{n}(-1)
"""


class Builder:
    """Builds a chain of modules, each on the one before, and gets each right at the second attempt only."""

    name = "builder/model"
    traits = Traits(step="project", context_tokens=200_000, max_output_tokens=8_000)

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.tries: Counter[int] = Counter()

    async def close(self) -> None: ...

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        self.requests.append(request)
        prompt = request.messages[0].content
        found = re.search(r"[Mm]ilestone M(\d+): Step", prompt)
        text = getattr(self, request.agent)(int(found[1]) if found else 0, prompt)
        return ModelReply(text=text, stop_reason="end", usage=Usage(), model=self.name)

    def spec(self, n: int, prompt: str) -> str:
        return NO_CHANGE if "The contracts so far" in prompt else spec(f"step_{n}")

    def arch(self, n: int, prompt: str) -> str:
        path = f"chain/step_{n}.py"
        return arch(path) if "Plan the architecture" in prompt else files({path: self.skeleton(n)})

    def skeleton(self, n: int) -> str:
        return SKELETON.format(n=n, imports=f"from chain.step_{n - 1} import step_{n - 1}\n" if n > 1 else "")

    def tester(self, n: int, prompt: str) -> str:
        expected = 1 + sum(range(1, n + 1))
        return files({f"tests/test_m{n}_unit.py": TESTS.format(n=n, expected=expected)})

    def impl(self, n: int, prompt: str) -> str:
        self.tries[n] += 1
        start = f"step_{n - 1}(value)" if n > 1 else "value"
        wrong = " + 1" if self.tries[n] < 2 else ""
        source = self.skeleton(n).replace("    ...\n", BODY.format(n=n, start=start, wrong=wrong))
        return files({f"chain/step_{n}.py": source})

    def critic(self, n: int, prompt: str) -> str:
        return json.dumps({"reason": "the description says how far", "wrong": "code"})

    def evaluator(self, n: int, prompt: str) -> str:
        return judgement()


def prompts(folder: Path, count: int, reuse: tuple[Path, ...]) -> tuple[Path, list[int]]:
    """Run ``count`` milestones in two attempts each; return its log and the estimated tokens of each prompt."""
    idea = {
        "name": "Chain",
        "summary": "Takes a number from step to step, each further than the one before.",
        "features": [f"step {n} takes a number {n} further" for n in range(1, count + 1)],
        "milestones": [
            {
                "id": f"M{n}",
                "title": f"Step {n}",
                "description": f"Take a number {n} further than the step before does.",
                "acceptance_criteria": [f"step {n} takes it {n} further", "a negative number is refused"],
                "dependencies": [f"M{n - 1}"] if n > 1 else [],
            }
            for n in range(1, count + 1)
        ],
    }
    path = folder / "chain.yaml"
    path.write_text(yaml.safe_dump(idea))
    model = Builder()
    # The code is this file's own, and there is a lot of it to run: it needs no walls.
    done = go(folder, model, idea=path, name=f"chain-{count}", reuse=reuse, sandbox=Direct("none"))
    assert [(m.status, len(m.attempts)) for m in done.report.milestones] == [(Status.ACCEPTED, 2)] * count
    return done.files.logs, [
        estimated_tokens(r.system + "".join(m.content for m in r.messages)) for r in model.requests
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[int]]:
    folder = tmp_path_factory.mktemp("bound")
    logs, long = prompts(folder, 12, ())
    return {12: long, 2: prompts(folder, 2, (logs,))[1]}


def test_the_largest_prompt_of_twelve_milestones_is_at_most_half_as_large_again_as_of_two(
    runs: dict[int, list[int]],
) -> None:
    assert max(runs[12]) <= 1.5 * max(runs[2])


def test_input_tokens_grow_with_the_number_of_milestones_and_no_faster(runs: dict[int, list[int]]) -> None:
    each = len(runs[12]) // 12
    assert len(runs[12]) == 12 * each
    by_milestone = [sum(runs[12][n * each : (n + 1) * each]) for n in range(12)]
    assert sum(by_milestone[6:]) <= 1.2 * sum(by_milestone[:6])
