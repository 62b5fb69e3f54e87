"""Replies for the scripted model: one small project, built in two milestones, with a planted defect."""

from __future__ import annotations

import json

from agents.models.scripted import ScriptedReply
from agents.ports import Traits

PLAN = json.dumps(
    {
        "milestones": [
            {
                "features": ["F1"],
                "title": "Greeting",
                "description": "Greet a person by name.",
                "criteria": ["a greeting holds the name"],
                "depends_on": [],
                "checks": ["AC1", "AC2"],
            },
            {
                "features": ["F2"],
                "title": "Command",
                "description": "Greet from the command line.",
                "criteria": ["the command prints the greeting"],
                "depends_on": [1],
                "checks": [],
            },
        ]
    }
)


def spec(name: str, behaviour: str = "Returns a greeting; ValueError where the name is empty.") -> str:
    """Return a specification with one contract, the function ``name``."""
    return json.dumps(
        {
            "prd": ["Greeter greets people whom it knows by name.", "It is small, and it is used by other programs."],
            "user_stories": [{"role": "user", "want": f"wish {n}", "benefit": "it helps"} for n in range(3)],
            "contracts": [
                {
                    "kind": "function",
                    "name": name,
                    "method": "call",
                    "request": "name: str",
                    "response": "str",
                    "behaviour": behaviour,
                    "errors": ["ValueError: empty name"],
                }
            ],
            "data_model": [],
            "non_functional": {"performance": "instant", "security": "none", "scalability": "none"},
        }
    )


def arch(*paths: str) -> str:
    """Return an architecture with these files."""
    return json.dumps(
        {
            "files": [{"path": path, "purpose": "a part of the greeter"} for path in paths],
            "schemas": [],
            "boundaries": ["one package"],
            "internal_dependencies": [],
            "external_dependencies": [],
            "technology": [{"choice": "standard library", "rationale": "it is enough"}],
        }
    )


def files(sources: dict[str, str]) -> str:
    """Return fenced files."""
    return "\n".join(f"```python path={path}\n{source}```" for path, source in sources.items())


CORE_SKELETON = '''"""Greetings."""


def greet(name: str) -> str:
    """Return a greeting for ``name``; ValueError where it is empty."""
    ...
'''
CORE = '''"""Greetings."""


def greet(name: str) -> str:
    """Return a greeting for ``name``; ValueError where it is empty."""
    if not name.strip():
        raise ValueError("the name is empty")
    return f"Hello, {name.strip()}!"
'''
BAD_CORE = CORE.replace('    if not name.strip():\n        raise ValueError("the name is empty")\n', "")
MEND = """```edit path=greeter/core.py
<<<<<<< REMOVE
    return f"Hello, {name.strip()}!"
=======
    if not name.strip():
        raise ValueError("the name is empty")
    return f"Hello, {name.strip()}!"
>>>>>>> ADD
```"""
CORE_TESTS = """import pytest
from greeter import greet


def test_greet_holds_the_name() -> None:
    assert "Bob" in greet("Bob")


def test_greet_refuses_nobody() -> None:
    with pytest.raises(ValueError):
        greet("")
"""
WRONG_TESTS = (
    CORE_TESTS
    + """

def test_greet_shouts() -> None:
    assert greet("Bob") == "HELLO, BOB!"
"""
)
MAIN_SKELETON = '''"""The command."""
import sys

from greeter.core import greet


def main(argv: list[str] | None = None) -> int:
    """Print a greeting for the first argument; return 2 without one."""
    ...


if __name__ == "__main__":
    raise SystemExit(main())
'''
MAIN = MAIN_SKELETON.replace(
    "    ...\n",
    "    args = sys.argv[1:] if argv is None else argv\n"
    "    if not args:\n        return 2\n    print(greet(args[0]))\n    return 0\n",
)
MAIN_TESTS = """import pytest
from greeter.__main__ import main


def test_main_prints_the_greeting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Ada"]) == 0
    assert capsys.readouterr().out == "Hello, Ada!\\n"


def test_main_without_a_name_fails() -> None:
    assert main([]) == 2
"""


def judgement(score: int = 4, **scores: int) -> str:
    """Return a judgement with ``score`` everywhere but where ``scores`` says otherwise."""
    names = ("correctness", "code_quality", "security", "maintainability", "scalability")
    opinions = {name: {"reason": f"{name} is as it is", "score": scores.get(name, score)} for name in names}
    return json.dumps({**opinions, "feedback": ["say more in the docstring"]})


def script(*lines: tuple[str, str]) -> list[ScriptedReply]:
    """Return a script of agent and reply."""
    return [ScriptedReply(agent=agent, reply=reply) for agent, reply in lines]


FIRST = (
    ("spec", spec("greet")),
    ("arch", arch("greeter/core.py")),
    ("arch", files({"greeter/core.py": CORE_SKELETON})),
    ("tester", files({"tests/test_m1_unit.py": CORE_TESTS})),
)
SECOND = (
    ("spec", spec("main", "Prints the greeting.")),
    ("arch", arch("greeter/__main__.py")),
    ("arch", files({"greeter/__main__.py": MAIN_SKELETON})),
    ("tester", files({"tests/test_m2_unit.py": MAIN_TESTS})),
    ("impl", files({"greeter/__main__.py": MAIN})),
    ("evaluator", judgement()),
)
GOOD = script(
    ("planner", PLAN), *FIRST, ("impl", files({"greeter/core.py": CORE})), ("evaluator", judgement()), *SECOND
)
"""Both milestones pass at the first attempt."""
NO_CHANGE = json.dumps({"reason": "the code is wrong, not the contract", "contracts": []})
RETRY = script(
    ("planner", PLAN),
    *FIRST,
    ("impl", files({"greeter/core.py": BAD_CORE})),
    ("evaluator", judgement(5)),
    ("spec", NO_CHANGE),
    ("impl", MEND),
    ("evaluator", judgement()),
    *SECOND,
)
"""The first milestone has a defect, which the second attempt mends with an exact edit."""


def ruling(wrong: str) -> str:
    """Return the Critic's answer."""
    return json.dumps({"reason": "the specification says nothing of shouting", "wrong": wrong})


RULED = script(
    ("planner", PLAN),
    *FIRST[:3],
    ("tester", files({"tests/test_m1_unit.py": WRONG_TESTS})),
    ("impl", files({"greeter/core.py": CORE})),
    ("critic", ruling("test")),
    ("evaluator", judgement()),
    *SECOND,
)
"""One generated test of the first milestone is wrong."""


def python(source: str) -> str:
    """Return one fenced block."""
    return f"```python\n{source}```"


SMALL = Traits(
    step="function",
    context_tokens=8000,
    max_output_tokens=2000,
    temperature=0.0,
    prefill=True,
    choices=4,
    local=True,
)
SMALL_STEPS = script(
    ("planner", PLAN),
    ("spec", spec("greet")),
    ("arch", arch("greeter/core.py")),
    ("arch", "```python\ndef greet(name: str) -> str:"),
    ("tester", python(CORE_TESTS)),
    *[("impl", python(BAD_CORE))] * 5,
    ("evaluator", judgement()),
    ("spec", NO_CHANGE),
    ("impl", python(CORE)),
    ("evaluator", judgement()),
    ("spec", spec("main", "Prints the greeting.")),
    ("arch", arch("greeter/__main__.py")),
    ("tester", python(MAIN_TESTS)),
    ("impl", python(MAIN)),
    ("evaluator", judgement()),
)
"""What a small model is asked for, one function at a time, with the same planted defect: two rounds of the first
attempt do not mend it, the second attempt does."""
