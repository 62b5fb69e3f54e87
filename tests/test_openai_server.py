"""The backend for any server that speaks the OpenAI protocol, against a real one on the loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.models.faults import says_too_long
from agents.models.openai_server import OpenAIServerModel
from agents.ports import ModelError, PromptTooLong
from orchestrator.compose import build_models
from orchestrator.config import Settings
from schemas.call import estimated_tokens, estimated_usage
from tests.model_calls import ask, request


class Server:
    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, body = state.answers.pop(0)
            if not status:
                return  # the connection is closed without an answer
            self.send_response(status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


COMPLETION = {
    "model": "qwen",
    "choices": [{"message": {"content": "hello"}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}},
}


def local(server: Server, retries: int = 1) -> OpenAIServerModel:
    return OpenAIServerModel("qwen", base_url=server.url, api_key="k", max_retries=retries, backoff=0.01)


def test_a_completion_is_read_with_its_usage(server: Server) -> None:
    server.answers = [(200, json.dumps(COMPLETION).encode())]
    reply = ask(local(server), request(output_schema={"type": "object"}))
    assert (reply.text, reply.stop_reason, reply.model) == ("hello", "max_tokens", "qwen")
    assert (reply.usage.input_tokens, reply.usage.cache_read_tokens, reply.usage.output_tokens) == (7, 5, 3)
    assert server.bodies[0]["response_format"]["type"] == "json_schema"


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.answers = [(503, b"busy"), (200, json.dumps(COMPLETION).encode())]
    assert ask(local(server), request()).text == "hello"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, b"no such model"), "HTTP 400: no such model"),
        ((200, b"not json"), "is not a chat completion"),
        ((200, b'{"choices": []}'), "is not a chat completion"),
        ((200, b"[]"), "is not a chat completion"),
        ((200, b"[" * 200_000), "is not a chat completion"),
        ((200, b'{"choices": [{"message": {"content": ["x"]}}]}'), "is not a chat completion"),
        ((200, b'{"choices": [{"message": {"content": [{"type": "text"}]}}]}'), "is not a chat completion"),
        ((200, b"<html>busy</html>"), "is not a chat completion"),
    ],
)
def test_a_wrong_answer_is_a_model_error(server: Server, answer: tuple[int, bytes], words: str) -> None:
    server.answers = [answer]
    with pytest.raises(ModelError, match=words):
        ask(local(server, retries=0), request())


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}', 16),
        (b"x" * 30, estimated_usage(request(), 10).total),
        (b"x" * 3_000, estimated_usage(request(), 50).total),
    ],
    ids=["counted", "estimated", "at most what was asked for"],
)
def test_a_reply_that_is_of_no_use_was_paid_for_and_is_not_asked_for_again_without_a_word(
    server: Server, body: bytes, tokens: int
) -> None:
    server.answers = [(200, body)]
    with pytest.raises(ModelError) as caught:
        ask(local(server), request())
    assert (caught.value.broke_off, caught.value.usage.total, len(server.bodies)) == (True, tokens, 1)


@pytest.mark.parametrize("answer", [(504, b"timed out"), (0, b"")], ids=["a gateway gives up", "the line drops"])
def test_a_reply_that_was_being_made_and_never_came_was_paid_for(server: Server, answer: tuple[int, bytes]) -> None:
    server.answers = [answer]
    with pytest.raises(ModelError) as caught:
        ask(local(server), request())
    assert (caught.value.broke_off, len(server.bodies)) == (True, 1)
    assert caught.value.usage.input_tokens == estimated_usage(request(), 0).input_tokens


def test_a_short_key_hides_no_words_of_the_server(server: Server) -> None:
    server.answers = [(400, b"This model's maximum context length is 4097 tokens")]
    with pytest.raises(PromptTooLong, match="maximum context length"):
        ask(OpenAIServerModel("m", base_url=server.url, api_key="x"), request())


def test_a_refusal_whose_words_broke_off_is_a_refusal(server: Server) -> None:
    server.headers = {"content-encoding": "gzip"}
    server.answers = [(429, b"no gzip"), (429, b"no gzip")]
    with pytest.raises(ModelError, match="HTTP 429") as caught:
        ask(local(server), request())
    assert (caught.value.broke_off, len(server.bodies)) == (False, 2)


def test_a_key_is_taken_out_before_the_answer_is_cut(server: Server) -> None:
    key = "sk-proxy-0123456789abcdef"
    server.answers = [(401, b"." * 290 + key.encode())]
    with pytest.raises(ModelError, match=r"\[secret\]$"):
        ask(OpenAIServerModel("m", base_url=server.url, api_key=key), request())


def test_a_reply_in_parts_is_the_text_of_its_parts(server: Server) -> None:
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    server.answers = [(200, json.dumps({"choices": [{"message": {"content": parts}}]}).encode())]
    assert ask(local(server), request()).text == "ab"


def test_an_answer_of_ten_megabytes_is_of_no_use_and_no_fault_of_the_line(server: Server) -> None:
    server.answers = [(200, b'{"choices": [{"message": {"content": "' + b"x" * 10_000_000 + b'"}}]}')]
    reply = ask(local(server), request())
    assert (reply.text, reply.stop_reason) == ("", "max_tokens")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"usage": {"prompt_tokens": 10**400, "completion_tokens": -3}}, "hello"),
        ({"usage": {"prompt_tokens": "12", "completion_tokens": None}}, "hello"),
        ({"choices": [{"message": {"content": "a\ud800b"}}], "usage": None}, "a?b"),
    ],
)
def test_where_counts_are_odd_or_missing_the_usage_is_estimated(
    server: Server, changes: dict[str, Any], text: str
) -> None:
    server.answers = [(200, json.dumps({**COMPLETION, **changes}).encode())]
    reply = ask(local(server), request())
    assert (reply.text, reply.usage) == (text, estimated_usage(request(), estimated_tokens(text)))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", '
        b'"type": "exceed_context_size_error"}}',
        b'{"error": {"message": "This model\'s maximum context length is 4097 tokens"}}',
    ],
)
def test_a_request_that_is_too_long_is_told_from_other_mistakes(server: Server, body: bytes) -> None:
    server.answers = [(400, body)]
    with pytest.raises(PromptTooLong, match=r"context.*\(50 tokens were asked for: openai\.max_output_tokens"):
        ask(local(server), request())


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 16000. This model supports at most 4096 completion tokens",
        "The compiled grammar is too large, which would cause performance issues",
        "Invalid 'stop': array too long",
        "num_ctx: context size must be positive",
        "string_too_long",
    ],
)
def test_a_mistake_in_the_settings_is_no_long_prompt(message: str) -> None:
    assert not says_too_long(400, message)


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 208310 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096",
        "Input tokens exceed the configured limit of 272000 tokens",
    ],
)
def test_a_long_prompt_is_one_in_the_words_of_any_server(message: str) -> None:
    assert says_too_long(400, message)


def test_an_answer_that_can_not_be_unpacked_is_a_model_error(server: Server) -> None:
    server.headers = {"content-encoding": "gzip"}
    server.answers = [(200, b"no gzip")]
    with pytest.raises(ModelError, match="DecodingError"):
        ask(local(server, retries=0), request())


def test_a_reply_that_takes_too_long_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match=r"longer than 0\.05 s \(openai\.timeout\)") as caught:
            ask(OpenAIServerModel("qwen", base_url=url, max_retries=2, timeout=0.05), request())
    assert (caught.value.broke_off, caught.value.usage.output_tokens) == (True, 50)


def test_how_much_a_server_can_take_is_a_setting(workspace: Path) -> None:
    server = {"model": "m", "api_key": "k", "step": "project", "context_tokens": 8_192, "max_output_tokens": 2_048}
    settings = Settings.model_validate({"backend": "openai", "openai": server})
    traits = build_models(settings, lambda *_: None).by_agent["impl"].traits
    assert (traits.context_tokens, traits.max_output_tokens) == (8_192, 2_048)


def test_no_server_is_a_model_error(server: Server) -> None:
    model = OpenAIServerModel("qwen", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ModelError, match="no reply from"):
        ask(model, request())


@pytest.mark.parametrize(("key", "free"), [(None, True), ("k", False)])
def test_a_server_that_takes_a_key_may_take_money(key: str | None, free: bool) -> None:
    assert OpenAIServerModel("m", base_url="http://localhost/v1", api_key=key).traits.local is free
