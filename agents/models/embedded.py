"""A real language model in this process: llama.cpp by way of ``xllamacpp``; no key, no network.

llama.cpp binds a loopback port of its own; it is locked with a random key that nobody else gets.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.ports import ModelError, Progress, PromptTooLong, Traits
from schemas.call import ModelReply, ModelRequest, StopReason, Usage

__all__ = ["EmbeddedModel"]

MAX_STRING = 140
"""Longest JSON string, in characters, that this model may write: a small model runs on without a bound."""

SPINS = 1_000
"""So often a thread that waits for the others looks again before it sleeps. By default libgomp, whose threads llama.cpp
uses, has it look 300,000 times: with two runs on one machine each then waits for threads that the other one keeps from
the processor, and both come to a standstill (benchmarks/beside.py)."""

# Indented JSON costs a small model a quarter of its tokens; this is read by llguidance, llama.cpp's grammar engine.
_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

_STOP: dict[str, StopReason] = {"stop": "end", "length": "max_tokens"}


class EmbeddedModel:
    """The model in the GGUF file ``path``. Loading takes seconds and happens at the first call."""

    def __init__(self, path: Path, *, threads: int, context_tokens: int = 16_384, parallel: int = 4) -> None:
        self._path = path
        self._threads = threads
        self._parallel = parallel
        self._server: Any = None
        self._to_grammar: Callable[[str], str] = str
        self._loading = asyncio.Lock()
        self._slots = asyncio.Semaphore(parallel)
        self._queue = asyncio.Lock()
        self._traits = Traits(
            step="function",
            context_tokens=context_tokens // 2,
            max_output_tokens=2_000,
            temperature=0.0,
            prefill=True,
            choices=parallel,
            local=True,
        )

    @property
    def name(self) -> str:
        """``embedded/<file name>``"""
        return f"embedded/{self._path.stem}"

    @property
    def traits(self) -> Traits:
        """One function at a time; costs time, not money."""
        return self._traits

    async def close(self) -> None:
        """Free the model's memory."""
        self._server = None

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer ``request``; `parallel` replies are written at once, those to one request from one reading of it.

        Raises:
            PromptTooLong: the request does not fit into half of the context, which is all that one has.
            ModelError: the model can't be loaded, or llama.cpp refuses the request.
        """
        taken = 0
        try:
            async with self._queue:  # one by one, so that two that want all slots can't block each other
                for _ in range(request.choices):
                    await self._slots.acquire()
                    taken += 1
            async with self._loading:
                if self._server is None:
                    self._server = await asyncio.to_thread(self._load)
            cancelled = asyncio.Event()
            try:
                chunks = await asyncio.to_thread(self._stream, request, progress, cancelled)
            except asyncio.CancelledError:
                cancelled.set()
                raise
        finally:
            for _ in range(taken):
                self._slots.release()
        return self._assemble(request, chunks)

    def _load(self) -> Any:
        if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():  # both are the user's to set
            os.environ["GOMP_SPINCOUNT"] = str(SPINS)  # read once, when the library is loaded
        try:
            import xllamacpp
        except ImportError as error:
            raise ModelError(
                "the embedded model needs the package xllamacpp: pip install 'milepost[embedded]'", permanent=True
            ) from error
        self._to_grammar = xllamacpp.json_schema_to_grammar
        try:
            return xllamacpp.Server(self._params(xllamacpp))
        except Exception as error:  # the binding raises bare RuntimeError
            said = f"{self._path} can't be loaded: {error}; is it a GGUF file? (embedded.path)"
            raise ModelError(said, permanent=True) from error

    def _params(self, xllamacpp: Any) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = self._traits.context_tokens * 2
        params.n_parallel = self._parallel
        params.kv_unified = True
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        # What is repeated (code that is mended, docstrings, JSON keys) is guessed from the prompt and checked at once.
        # The kind with a map guesses nothing any more once its slot has held a longer prompt: see benchmarks/speed.md.
        params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        params.warmup = False
        params.verbosity = 0
        params.api_keys = [secrets.token_hex(16)]
        return params

    def _stream(self, request: ModelRequest, progress: Progress, cancelled: asyncio.Event) -> list[dict[str, Any]]:
        chunks: list[dict[str, Any]] = []

        def take(chunk: Any) -> bool:
            chunks.append(json.loads(chunk) if isinstance(chunk, str | bytes) else chunk)
            progress(len(chunks))
            return cancelled.is_set()  # True tells llama.cpp to stop

        self._server.handle_chat_completions(json.dumps(self._body(request)), take)
        return chunks

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        messages = [{"role": "system", "content": request.system}]
        messages += [{"role": m.role, "content": m.content} for m in request.messages]
        if request.prefill:
            messages.append({"role": "assistant", "content": request.prefill})
        body: dict[str, Any] = {
            "messages": messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature or 0.0,
            "seed": request.sample * self._parallel,  # choice n of a request has the n-th seed from here
            "n": request.choices,
            "stop": request.stop,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_prompt": True,
        }
        if request.output_schema is not None:
            schema = {**_bounded(request.output_schema), "x-guidance": _COMPACT}
            body["grammar"] = self._to_grammar(json.dumps(schema))
        return body

    def _assemble(self, request: ModelRequest, chunks: list[dict[str, Any]]) -> ModelReply:
        texts, finish, usage = [""] * request.choices, "length", Usage()
        for chunk in chunks:
            error = chunk.get("error")
            if error:
                if error.get("type") == "exceed_context_size_error":
                    raise PromptTooLong(f"{error.get('message', 'no reason given')} (embedded.context_tokens)")
                raise ModelError(f"llama.cpp refused the request: {error.get('message', error)}")
            for choice in chunk.get("choices", []):
                texts[choice["index"]] += choice["delta"].get("content") or ""
                if choice["index"] == 0:
                    finish = choice.get("finish_reason") or finish
            counts = chunk.get("usage")
            if counts:
                cached = counts.get("prompt_tokens_details", {}).get("cached_tokens", 0)
                # One count per choice; the prompt was read once for all of them.
                usage = Usage(
                    input_tokens=counts["prompt_tokens"] - cached,
                    output_tokens=usage.output_tokens + counts["completion_tokens"],
                    cache_read_tokens=cached,
                )
        if request.prefill:
            texts = [t if t.startswith(request.prefill) else request.prefill + t for t in texts]
        return ModelReply(
            text=texts[0],
            alternatives=texts[1:],
            stop_reason=_STOP.get(finish, "end"),
            usage=usage,
            model=self.name,
        )


def _bounded(schema: Any) -> Any:
    """Return a JSON schema with every string bounded and every object's fields required, for the grammar."""
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _bounded(value) for key, value in schema.items() if key not in ("default", "title", "description")}
    if result.get("type") == "string" and "enum" not in result and "const" not in result:
        result.pop("pattern", None)
        result["maxLength"] = min(result.get("maxLength", MAX_STRING), MAX_STRING)
    if result.get("type") == "object" and isinstance(schema.get("properties"), dict):
        # Properties named "title" or "default" are fields, not keywords.
        result["properties"] = {name: _bounded(value) for name, value in schema["properties"].items()}
        result["required"] = list(schema["properties"])
    return result
