"""The Claude backend: the real SDK against a real server on the loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.models.anthropic import AnthropicModel
from agents.models.scripted import ScriptedReply
from agents.ports import ModelError, Progress, PromptTooLong
from schemas.call import Message, ModelReply, ModelRequest
from schemas.errors import ExitCode
from tests.helpers import go
from tests.messages_server import messages_server
from tests.replies import GOOD, RETRY

HELLO = [ScriptedReply(agent="spec", reply="hello", repeat=True)]
REFUSED = ["429", "529", "500"]
BROKEN_OFF = ["drop", "error", "garbage", "cut", "nothing", "page", "bare"]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]}


def ask(
    url: str,
    *,
    model: str = "claude-opus-4-8",
    schema: bool = False,
    retries: int = 2,
    progress: Progress = lambda tokens: None,
) -> ModelReply:
    async def call() -> ModelReply:
        backend = AnthropicModel(model, api_key="test-key-123", base_url=url, max_retries=retries)
        request = ModelRequest(
            agent="spec",
            model=backend.name,
            system="the brief",
            messages=[Message(role="user", content="say hello")],
            output_schema=SCHEMA if schema else None,
            max_tokens=100,
        )
        try:
            return await backend.reply(request, progress)
        finally:
            await backend.close()

    return asyncio.run(call())


def test_a_streamed_reply_arrives_whole_with_its_usage() -> None:
    with messages_server(HELLO) as server:
        reply = ask(server.url)
    assert (reply.text, reply.stop_reason, reply.usage.cache_read_tokens) == ("hello", "end", 10)
    assert reply.usage.input_tokens > 0


def test_the_system_prompt_is_marked_for_the_cache_and_the_schema_is_sent() -> None:
    with messages_server(HELLO) as server:
        ask(server.url, schema=True)
        body = server.requests[0]
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "temperature" not in body


@pytest.mark.parametrize("fault", REFUSED)
def test_a_passing_fault_is_retried(fault: str) -> None:
    with messages_server(HELLO, [fault]) as server:
        assert ask(server.url).text == "hello"
        assert len(server.requests) == 2


@pytest.mark.parametrize("fault", BROKEN_OFF)
def test_a_reply_that_breaks_off_is_not_asked_for_again_without_a_word(fault: str) -> None:
    with messages_server(HELLO, [fault]) as server:
        with pytest.raises(ModelError) as caught:
            ask(server.url)
        assert (len(server.requests), caught.value.broke_off) == (1, True)


def test_what_has_come_is_told_in_tokens_not_in_pieces() -> None:
    told: list[int] = []
    with messages_server([ScriptedReply(agent="spec", reply="word " * 300, repeat=True)]) as server:
        ask(server.url, progress=told.append)
    assert told[-1] >= 1500 / 4


def test_a_model_error_says_what_the_broken_stream_took() -> None:
    with messages_server(HELLO, ["cut"]) as server, pytest.raises(ModelError) as caught:
        ask(server.url)
    assert caught.value.usage.cache_read_tokens == 10


@pytest.mark.parametrize("fault", REFUSED)
def test_a_lasting_fault_is_a_model_error(fault: str) -> None:
    with messages_server(HELLO, [fault] * 20) as server:
        with pytest.raises(ModelError) as caught:
            ask(server.url, retries=1)
        assert (len(server.requests), caught.value.broke_off) == (2, False)


@pytest.mark.parametrize(("fault", "words"), [("401", "key was refused"), ("404", "does not exist")])
def test_a_wrong_key_or_model_is_permanent_and_said_plainly(fault: str, words: str) -> None:
    with messages_server(HELLO, [fault]) as server:
        with pytest.raises(ModelError, match=words) as caught:
            ask(server.url)
        assert len(server.requests) == 1
    assert caught.value.permanent


def test_a_request_that_is_too_large_is_not_sent_again() -> None:
    with messages_server(HELLO, ["413"]) as server:
        with pytest.raises(PromptTooLong, match="request_too_large"):
            ask(server.url)
        assert len(server.requests) == 1


def test_nobody_listening_is_a_model_error() -> None:
    with messages_server(HELLO) as server:
        url = server.url
    with pytest.raises(ModelError, match="no connection"):
        ask(url, retries=0)


@pytest.mark.parametrize(("fault", "stop"), [("truncated", "max_tokens"), ("refusal", "refusal")])
def test_stop_reasons_are_passed_on(fault: str, stop: str) -> None:
    with messages_server(HELLO, [fault]) as server:
        assert ask(server.url).stop_reason == stop


def test_a_paused_turn_is_gone_on_with() -> None:
    script = [ScriptedReply(agent="x", reply="first "), ScriptedReply(agent="x", reply="second")]
    with messages_server(script, ["pause"]) as server:
        reply = ask(server.url)
    assert (reply.text, reply.stop_reason) == ("first second", "end")


def real(url: str) -> AnthropicModel:
    return AnthropicModel("claude-opus-4-8", api_key="test-key-123", base_url=url, max_retries=2)


@pytest.mark.parametrize("faults", [[], ["429", "529"], ["500"], ["drop"], ["garbage", "error"]])
def test_a_whole_run_passes_through_the_real_sdk(
    workspace: Path, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.runner.PAUSE", 0.0)
    with messages_server(GOOD, faults) as server:
        done = go(workspace, real(server.url))
    assert done.code == ExitCode.OK
    assert done.report.cost_usd is not None
    assert done.report.cost_usd > 0


def test_a_whole_run_with_a_retry_passes_through_the_real_sdk(workspace: Path) -> None:
    with messages_server(RETRY) as server:
        done = go(workspace, real(server.url))
    assert [len(m.attempts) for m in done.report.milestones] == [2, 1]


def test_malformed_json_is_sent_back_with_its_error(workspace: Path) -> None:
    broken = [GOOD[0].model_copy(update={"reply": '{"milestones": [oops]}'}), *GOOD]
    with messages_server(broken) as server:
        done = go(workspace, real(server.url))
        second = server.requests[1]["messages"]
    assert done.code == ExitCode.OK
    assert "not valid JSON" in second[-1]["content"]
    assert [c["outcome"] for c in done.calls][:2] == ["invalid_output", "ok"]


@pytest.mark.parametrize(("fault", "outcome"), [("refusal", "refused"), ("truncated", "truncated")])
def test_refusal_and_truncation_are_recorded_outcomes(workspace: Path, fault: str, outcome: str) -> None:
    planner, *rest = GOOD
    cut = planner.model_copy(update={"reply": planner.reply[:40]})
    with messages_server([cut, planner, *rest], [fault]) as server:
        done = go(workspace, real(server.url))
    assert done.calls[0]["outcome"] == outcome


def test_a_refusal_is_no_answer_however_much_came_before_it(workspace: Path) -> None:
    with messages_server([GOOD[0], *GOOD], ["refusal"]) as server:
        done = go(workspace, real(server.url))
    assert done.calls[0]["outcome"] == "refused"


def test_a_prompt_that_does_not_fit_fails_the_attempt_is_not_corrected_and_may_be_asked_again(workspace: Path) -> None:
    with messages_server(GOOD, ["413"]) as server:
        done = go(workspace, real(server.url))
        assert (len(server.requests), done.report.resumable) == (1, True)
    assert [(call["outcome"], call["call"]) for call in done.calls] == [("truncated", None)]
    assert "does not fit the model: HTTP 413" in (done.report.stopped_by or "")
    with messages_server(GOOD) as server:
        assert go(workspace, real(server.url), resume=True).code == ExitCode.OK


def test_a_lost_provider_ends_the_run_with_a_report_and_resume_goes_on(workspace: Path) -> None:
    with messages_server(GOOD[:3]) as server:
        lost = go(workspace, real(server.url))
        asked = len(server.requests)
    assert lost.code == ExitCode.UNAVAILABLE
    assert lost.report.verdict == "stopped"
    assert asked > 3
    with messages_server(GOOD[3:]) as server:
        done = go(workspace, real(server.url), resume=True)
    assert done.code == ExitCode.OK
    assert len(server.requests) == len(GOOD) - 3
