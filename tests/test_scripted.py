"""The scripted model."""

from __future__ import annotations

import pytest

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import ModelError
from tests.model_calls import ask, request


def test_a_script_matches_by_agent_and_text_and_says_when_it_runs_dry() -> None:
    script = [
        ScriptedReply(agent="spec", reply="b", match="other"),
        ScriptedReply(agent="impl", reply="c"),
        ScriptedReply(agent="spec", reply="a"),
    ]
    model = ScriptedModel(script)
    assert ask(model, request()).text == "a"
    with pytest.raises(ModelError, match="no reply left for the agent 'spec', which asked: 'hi'"):
        ask(model, request())


def test_a_repeated_line_is_never_used_up() -> None:
    model = ScriptedModel([ScriptedReply(agent="spec", reply="a", repeat=True)])
    assert [ask(model, request()).text for _ in range(3)] == ["a"] * 3
