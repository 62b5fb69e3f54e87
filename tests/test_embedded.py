"""The embedded model, with a stand-in for the binding: the real model takes a gigabyte (see benchmarks/)."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from agents.models.embedded import EmbeddedModel, _bounded
from agents.parsing import schema_of
from agents.ports import ModelError, PromptTooLong
from schemas.specification import Specification
from tests.model_calls import ask, request


class Binding(types.ModuleType):
    """Looks like xllamacpp as far as the backend uses it."""

    def __init__(self) -> None:
        super().__init__("xllamacpp")
        self.bodies: list[dict[str, Any]] = []
        self.chunks: list[dict[str, Any]] = []
        self.params: Any = None
        self.spins: str | None = None
        self.common_speculative_type = types.SimpleNamespace(COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE="lookup")
        binding = self

        class CommonParams:
            def __init__(self) -> None:
                self.model = types.SimpleNamespace()
                self.cpuparams = types.SimpleNamespace()
                self.cpuparams_batch = types.SimpleNamespace()
                self.speculative = types.SimpleNamespace()
                binding.params = self

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


class Finder(MetaPathFinder, Loader):
    """Finds the stand-in, which notes what it is imported with."""

    def __init__(self, module: Binding) -> None:
        self.module = module

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "xllamacpp" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        self.module.spins = os.environ.get("GOMP_SPINCOUNT")
        return self.module

    def exec_module(self, module: types.ModuleType) -> None: ...


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Binding]:
    module = Binding()
    for variable in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):  # set and taken away, so that it is put back after the test
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setattr(sys, "meta_path", [Finder(module), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    module.chunks = [
        {"choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {
            "choices": [],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        },
    ]
    yield module
    sys.modules.pop("xllamacpp", None)


def embedded(name: str = "m.gguf") -> EmbeddedModel:
    return EmbeddedModel(Path(name), threads=2)


def test_repetitions_are_looked_up(binding: Binding) -> None:
    ask(EmbeddedModel(Path("m.gguf"), threads=2), request())
    assert binding.params.speculative.types == ["lookup"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_that_wait_soon_sleep_unless_the_user_says_how_they_wait(
    own: dict[str, str], expected: str | None, binding: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in own.items():
        monkeypatch.setenv(variable, value)
    ask(embedded(), request())
    assert binding.spins == expected


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
    with pytest.raises(PromptTooLong, match="context_tokens"):
        ask(embedded(), request())


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
