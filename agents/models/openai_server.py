"""Any server that speaks the OpenAI chat-completions protocol: Ollama, vLLM, llama.cpp server, LM Studio.

What a server refuses, or can't be asked, is tried again here. A reply that was being made is paid for, whether it
arrives or not: the `Runner` asks for it again, within the limits.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx

from agents.models.faults import says_too_long
from agents.ports import MASK, SHORTEST_KEY, ModelError, Price, Progress, PromptTooLong, Traits
from schemas.call import ModelReply, ModelRequest, StopReason, Usage, estimated_tokens, estimated_usage

__all__ = ["OpenAIServerModel"]

_STOP: dict[str | None, StopReason] = {"stop": "end", "length": "max_tokens", "content_filter": "refusal"}
_RETRY_STATUS = {408, 409, 429, 500, 502, 503, 529}
_LOST_STATUS = {504, 524}
"""Somebody between has given up waiting for the reply."""
_UNASKED = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    *(httpx.ProxyError, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
"""The server has not seen the request."""
_FASTEST = 2_000
"""Tokens a second that hardly any server writes: what a lost reply may at most have taken."""
_MAX_BODY = 8_000_000


class OpenAIServerModel:
    """One model of one server. ``base_url`` ends in ``/v1``. ``max_output_tokens``: None is 4,000 where it goes by
    functions, else 16,000."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        price: Price | None = None,
        step_by_function: bool = True,
        context_tokens: int = 32_000,
        max_output_tokens: int | None = None,
        max_retries: int = 4,
        timeout: float = 600.0,
        backoff: float = 0.5,
    ) -> None:
        self._model = model
        self._key = api_key
        self._retries = max_retries
        self._backoff = backoff
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/", headers=headers, timeout=httpx.Timeout(timeout, connect=10.0)
        )
        self._traits = Traits(
            step="function" if step_by_function else "project",
            context_tokens=context_tokens,
            max_output_tokens=max_output_tokens or (4_000 if step_by_function else 16_000),
            temperature=0.0,
            again=max_retries,
            local=price is None and not api_key,
            price=price,
        )

    @property
    def name(self) -> str:
        """``openai/<model>``"""
        return f"openai/{self._model}"

    @property
    def traits(self) -> Traits:
        """By default as small a step as the embedded model's."""
        return self._traits

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer ``request``.

        Raises:
            PromptTooLong: the request does not fit into the model's context.
            ModelError: no reply after all retries, or the server refused the request; or the reply was lost.
        """
        for attempt in range(self._retries + 1):
            began = time.monotonic()
            try:
                status, content = await self._post(request)
                if status == 200:
                    if len(content) > _MAX_BODY:  # of no use, but an answer: the agent's, not the line's fault
                        usage = estimated_usage(request, request.max_tokens)
                        return ModelReply(text="", stop_reason="max_tokens", usage=usage, model=self.name)
                    reply = _read(content, self.name, request)
                    progress(reply.usage.output_tokens)
                    return reply
                whole = content[:20_000].decode("utf-8", "replace")
                said = self._masked(whole)[:300]
                if says_too_long(status, whole[:300]):
                    hint = f"{request.max_tokens:,} tokens were asked for: openai.max_output_tokens bounds that"
                    raise PromptTooLong(f"HTTP {status}: {said} ({hint})", permanent=True)
                if status in _LOST_STATUS:
                    raise ModelError(f"HTTP {status}: {said}", broke_off=True, usage=_lost(request, began))
                failure = ModelError(f"HTTP {status}: {said}", permanent=status not in _RETRY_STATUS)
            except _UNASKED as error:
                said = f"{type(error).__name__}: {error}; is the server running? (openai.base_url)"
                failure = ModelError(f"no reply from {self._client.base_url}: {said}")
            except httpx.ReadTimeout:
                said = f"it took longer than {self._client.timeout.read:g} s (openai.timeout)"
                message = f"no reply from {self._client.base_url}: {said}"
                raise ModelError(message, broke_off=True, usage=_lost(request, began)) from None
            except httpx.HTTPError as error:
                message = f"no reply from {self._client.base_url}: {type(error).__name__}: {error}"
                raise ModelError(message, broke_off=True, usage=_lost(request, began)) from error
            if failure.permanent or attempt == self._retries:
                raise failure
            await asyncio.sleep(min(8.0, self._backoff * 2**attempt))
        raise AssertionError("unreachable")

    async def _post(self, request: ModelRequest) -> tuple[int, bytes]:
        """Return status and body; of a body over `_MAX_BODY` bytes no more than that and a little is read.

        Raises:
            ModelError: a reply had begun, and broke off.
            httpx.HTTPError: none had.
        """
        body = bytearray()
        async with self._client.stream("POST", "chat/completions", json=self._body(request)) as response:
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BODY:
                        break
            except httpx.HTTPError as error:
                if response.status_code != 200:  # a refusal, whatever became of its words
                    return response.status_code, bytes(body)
                said = f"the reply broke off: {type(error).__name__}: {error}"
                raise ModelError(said, broke_off=True, usage=_usage_of(body, request)) from error
        return response.status_code, bytes(body)

    def _masked(self, text: str) -> str:
        """Return ``text`` without the key, if that is one: short ones may be words."""
        return text.replace(self._key, MASK) if self._key and len(self._key) >= SHORTEST_KEY else text

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        messages = [{"role": "system", "content": request.system}]
        messages += [{"role": m.role, "content": m.content} for m in request.messages]
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature or 0.0,
            "seed": request.sample,
        }
        if request.output_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": request.output_schema},
            }
        return body


_UNLIKE = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
"""What a body raises in whoever reads it as a chat completion and is none."""


def _read(content: bytes, name: str, request: ModelRequest) -> ModelReply:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text = _text(choice["message"].get("content") or "")
        return ModelReply(
            text=text,
            stop_reason=_STOP.get(choice.get("finish_reason"), "end"),
            usage=_counted(body) or estimated_usage(request, estimated_tokens(text)),
            model=_text(str(body.get("model") or name))[:200],
        )
    except _UNLIKE as error:
        said = f"the server's reply is not a chat completion: {type(error).__name__}: {str(error)[:200]}"
        raise ModelError(said, broke_off=True, usage=_usage_of(content, request)) from error


def _lost(request: ModelRequest, began: float) -> Usage:
    """Return what a reply may have taken of which nothing has come. Nobody says how far it was: no further than in this
    time can be written."""
    return estimated_usage(request, min(request.max_tokens, round(_FASTEST * (time.monotonic() - began))))


def _usage_of(content: bytes | bytearray, request: ModelRequest) -> Usage:
    """Return what a reply took that is of no use: as it says itself, else by its length."""
    try:
        counted = _counted(json.loads(content))
    except _UNLIKE:
        counted = None
    written = min(estimated_tokens(content.decode("utf-8", "replace")), request.max_tokens)
    return counted or estimated_usage(request, written)


def _counted(body: Any) -> Usage | None:
    """Return what the server has counted; None where it says nothing, or no numbers."""
    counts = body.get("usage") or {}
    cached = _count((counts.get("prompt_tokens_details") or {}).get("cached_tokens"))
    usage = Usage(
        input_tokens=max(0, _count(counts.get("prompt_tokens")) - cached),
        output_tokens=_count(counts.get("completion_tokens")),
        cache_read_tokens=cached,
    )
    return usage if usage.total else None


def _text(value: object) -> str:
    """Return ``value``, a text or a list of parts that hold texts, without halves of characters, which no file can
    hold."""
    if isinstance(value, list):
        value = "".join(part["text"] for part in value if part.get("type", "text") == "text")
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value.encode("utf-8", "replace").decode("utf-8")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
