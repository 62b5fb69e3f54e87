"""Prompts: each renders, none knows an example, the judge's holds no example score."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from agents.prompts import render as renderer
from agents.prompts.render import render
from orchestrator.idea_file import load_idea

ROOT = Path(__file__).parents[1]
FOLDER = Path(renderer.__file__).parent
BLOCKS = [
    (path.stem, block)
    for path in sorted(FOLDER.glob("*.j2"))
    for block in re.findall(r"{% block (\w+) %}", path.read_text())
]


@pytest.mark.parametrize(("agent", "step"), BLOCKS)
def test_a_missing_variable_fails_loudly(agent: str, step: str) -> None:
    with pytest.raises(UndefinedError):
        render(agent, step, {})


def test_the_brief_is_the_same_for_every_agent_and_holds_the_idea() -> None:
    idea, _ = load_idea(ROOT / "examples" / "text_stats.yaml")
    text = render("brief", "brief", {"idea": idea})
    assert all(feature in text for feature in idea.features)
    assert "AC1" not in text


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _ideas() -> Iterator[str]:
    """Yield names and features of the examples and of the benchmark's ideas."""
    for path in [*(ROOT / "examples").glob("*.yaml"), *(ROOT / "benchmarks").rglob("idea.yaml")]:
        idea, _ = load_idea(path)
        yield from (idea.name, idea.slug.replace("-", "_"), *idea.features)


def _problems() -> Iterator[str]:
    """Yield what is HumanEval's own in its 164 prompts, as one arm was sent them: function names of several words, and
    lines of some length."""
    for row in (ROOT / "benchmarks/results/humaneval/transcripts/single.jsonl").read_text().split("\n"):
        prompt = "\n".join(json.loads(row)["calls"][0]["prompt"]) if row else ""
        yield from (name for name in re.findall(r"def (\w+)\(", prompt) if "_" in name)
        yield from (line for line in prompt.partition("```python")[2].split("\n") if len(line.split()) > 4)


@pytest.mark.parametrize(("texts", "least"), [(_ideas, 100), (_problems, 600)], ids=["ideas", "HumanEval"])
def test_no_prompt_and_no_rule_knows_an_example_or_an_item_of_a_benchmark(
    texts: Callable[[], Iterator[str]], least: int
) -> None:
    folders = [ROOT / "agents", ROOT / "orchestrator"]
    sources = [path for folder in folders for ending in ("*.j2", "*.py") for path in folder.rglob(ending)]
    known = _plain(" ".join(path.read_text() for path in sources))
    items = [item for text in texts() if (item := _plain(text))]
    assert len(items) >= least
    assert [item for item in items if item in known and re.search(rf"(?<!\w){re.escape(item)}(?!\w)", known)] == []


def test_the_judge_is_shown_no_example_score() -> None:
    text = (FOLDER / "evaluator.j2").read_text()
    assert not re.search(r'"?score"?\s*[:=]\s*\d', text, re.I)


def test_what_a_failing_test_says_stands_between_marks_that_it_can_not_know() -> None:
    critic = (FOLDER / "critic.j2").read_text()
    assert "<<<<< {{ mark }}\n{{ failure.error[:1000] }}\n{{ mark }} >>>>>" in critic
