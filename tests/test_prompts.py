"""Prompts: each renders, none knows an example, the judge's holds no example score."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from agents.prompts import render as renderer
from agents.prompts.render import render
from orchestrator.idea_file import load_idea

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
    idea, _ = load_idea(Path(__file__).parents[1] / "examples" / "text_stats.yaml")
    text = render("brief", "brief", {"idea": idea})
    assert all(feature in text for feature in idea.features)
    assert "AC1" not in text


def test_no_prompt_knows_an_example_or_an_idea_of_the_benchmark() -> None:
    text = "".join(p.read_text() for p in FOLDER.glob("*.j2")).lower()
    root = Path(__file__).parents[1]
    paths = [*(root / "examples").glob("*.yaml"), *(root / "benchmarks").rglob("idea.yaml")]
    assert len(paths) > 10
    for path in paths:
        idea, _ = load_idea(path)
        assert idea.name.lower() not in text
        assert idea.slug.replace("-", "_") not in text


def test_the_judge_is_shown_no_example_score() -> None:
    text = (FOLDER / "evaluator.j2").read_text()
    assert not re.search(r'"?score"?\s*[:=]\s*\d', text, re.I)


def test_what_a_failing_test_says_stands_between_marks_that_it_can_not_know() -> None:
    critic = (FOLDER / "critic.j2").read_text()
    assert "<<<<< {{ mark }}\n{{ failure.error[:1000] }}\n{{ mark }} >>>>>" in critic
