"""What the five agents say, the same on every candidate: no model is called, nothing is computed.

Standard library only: every candidate's own interpreter imports it.
"""

from __future__ import annotations

import json

__all__ = ["RETRIED", "STAGES", "reply", "retried", "steps"]

STAGES = ("spec", "arch", "impl", "test", "eval")
RETRIED = 10
"""Every tenth milestone is not accepted at its first attempt: the retry edge is taken."""

_SIGNATURE = '''"""Step {n} of the chain."""


def step_{n}(value: int) -> int:
    """Return ``value`` plus {n}; ValueError where it is negative."""
'''
_BODY = """    if value < 0:
        raise ValueError(f"{{value}} is negative")
    return value + {n}  # attempt {attempt}
"""
_TESTS = """from chain.step_{n} import step_{n}


def test_step_{n}() -> None:
    assert step_{n}(1) == {sum}
"""
_DIMENSIONS = ("correctness", "code_quality", "security", "maintainability", "scalability")


def retried(milestone: int) -> bool:
    """Return whether the first attempt at ``milestone`` (from 1) is not good enough."""
    return milestone % RETRIED == 0


def steps(milestones: int) -> int:
    """Return how many steps ``milestones`` take: five each, and three more (impl, test, eval) for a retry."""
    return len(STAGES) * milestones + 3 * (milestones // RETRIED)


def reply(stage: str, n: int, attempt: int = 1) -> str:
    """Return what the agent of ``stage`` says on milestone ``n``: 100–600 characters."""
    if stage == "spec":
        return json.dumps(_specification(n))
    if stage == "arch":
        return json.dumps(_architecture(n))
    if stage == "skeleton":
        return _fenced(f"chain/step_{n}.py", _SIGNATURE.format(n=n) + "    ...\n")
    if stage == "impl":
        return _fenced(f"chain/step_{n}.py", (_SIGNATURE + _BODY).format(n=n, attempt=attempt))
    if stage == "test":
        return _fenced(f"tests/test_m{n}_unit.py", _TESTS.format(n=n, sum=n + 1))
    return json.dumps(_judgement(2 if attempt == 1 and retried(n) else 4))


def _specification(n: int) -> dict[str, object]:
    contract = {
        "kind": "function",
        "name": f"step_{n}",
        "method": "call",
        "request": "value: int",
        "response": "int",
        "behaviour": f"Returns value plus {n}.",
        "errors": ["ValueError: negative value"],
    }
    return {
        "prd": ["A chain of steps takes a number further.", f"This is step {n}, which adds {n}."],
        "user_stories": [{"role": "user", "want": f"wish {k}", "benefit": "it helps"} for k in range(3)],
        "contracts": [contract],
        "data_model": [],
        "non_functional": {"performance": "instant", "security": "none", "scalability": "none"},
    }


def _architecture(n: int) -> dict[str, object]:
    return {
        "files": [{"path": f"chain/step_{n}.py", "purpose": f"step {n} of the chain"}],
        "schemas": [],
        "boundaries": ["one package"],
        "internal_dependencies": [],
        "external_dependencies": [],
        "technology": [{"choice": "standard library", "rationale": "it is enough"}],
    }


def _judgement(score: int) -> dict[str, object]:
    return {
        **{name: {"reason": f"{name} is as it is", "score": score} for name in _DIMENSIONS},
        "feedback": ["say more in the docstring"],
    }


def _fenced(path: str, source: str) -> str:
    return f"```python path={path}\n{source}```"
