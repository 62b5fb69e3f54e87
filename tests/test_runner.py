"""Asking an agent: what a correction shows the model."""

from __future__ import annotations

import asyncio

import pytest

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.runner import Task
from tests.model_calls import runner_for


def _number(text: str) -> int:
    return int(text)


@pytest.mark.parametrize("reply", ["a line\n" * 2_000 + "no number", ""], ids=["long", "empty"])
def test_a_model_that_must_correct_its_reply_is_shown_all_of_it(reply: str) -> None:
    model = ScriptedModel([ScriptedReply(agent="memory", reply=text) for text in (reply, "7")])
    task = Task("memory", "summarise", {"before": "", "texts": ["t"]}, _number, max_tokens=200)
    assert asyncio.run(runner_for(model).ask(task)) == 7
    assert [message.content for message in model.requests[1].messages if message.role == "assistant"] == [
        reply or "(empty)"
    ]
