"""Any server that speaks the OpenAI chat-completions protocol: Ollama, vLLM, llama.cpp server, LM Studio."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from agents.models.faults import says_too_long
from agents.ports import ModelError, Price, Progress, PromptTooLong, Traits
from schemas.call import ModelReply, ModelRequest, StopReason, Usage, estimated_tokens, estimated_usage

__all__ = ["OpenAIServerModel"]

_STOP: dict[str | None, StopReason] = {"stop": "end", "length": "max_tokens", "content_filter": "refusal"}
_RETRY_STATUS = {408, 409, 429, 500, 502, 503, 504, 529}
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
            ModelError: no reply after all retries, or the server refused the request.
        """
        for attempt in range(self._retries + 1):
            try:
                status, content = await self._post(request)
                if status == 200:
                    if len(content) > _MAX_BODY:  # of no use, but an answer: the agent's, not the line's fault
                        usage = estimated_usage(request, request.max_tokens)
                        return ModelReply(text="", stop_reason="max_tokens", usage=usage, model=self.name)
                    reply = _read(content, self.name, request)
                    progress(reply.usage.output_tokens)
                    return reply
                said = content[:300].decode("utf-8", "replace")
                if says_too_long(status, said):
                    hint = f"{request.max_tokens:,} tokens were asked for: openai.max_output_tokens bounds that"
                    raise PromptTooLong(f"HTTP {status}: {said} ({hint})", permanent=True)
                failure = ModelError(f"HTTP {status}: {said}", permanent=status not in _RETRY_STATUS)
            except httpx.ReadTimeout:
                said = f"it took longer than {self._client.timeout.read:g} s (openai.timeout)"
                failure = ModelError(f"no reply from {self._client.base_url}: {said}")
            except httpx.HTTPError as error:
                said = f"{type(error).__name__}: {error}; is the server running? (openai.base_url)"
                failure = ModelError(f"no reply from {self._client.base_url}: {said}")
            except ModelError as error:
                failure = error
            if failure.permanent or attempt == self._retries:
                raise failure
            await asyncio.sleep(min(8.0, self._backoff * 2**attempt))
        raise AssertionError("unreachable")

    async def _post(self, request: ModelRequest) -> tuple[int, bytes]:
        """Return status and body; of a body over `_MAX_BODY` bytes no more than that and a little is read."""
        body = bytearray()
        async with self._client.stream("POST", "chat/completions", json=self._body(request)) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BODY:
                    break
        return response.status_code, bytes(body)

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


def _read(content: bytes, name: str, request: ModelRequest) -> ModelReply:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        counts = body.get("usage") or {}
        cached = _count((counts.get("prompt_tokens_details") or {}).get("cached_tokens"))
        text = _text(choice["message"].get("content") or "")
        usage = Usage(
            input_tokens=max(0, _count(counts.get("prompt_tokens")) - cached),
            output_tokens=_count(counts.get("completion_tokens")),
            cache_read_tokens=cached,
        )
        return ModelReply(
            text=text,
            stop_reason=_STOP.get(choice.get("finish_reason"), "end"),
            usage=usage if usage.total else estimated_usage(request, estimated_tokens(text)),
            model=_text(str(body.get("model") or name))[:200],
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {str(error)[:200]}"
        raise ModelError(f"the server's reply is not a chat completion: {said}") from error


def _text(value: object) -> str:
    """Return ``value``, a text, without halves of characters, which no file can hold."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value.encode("utf-8", "replace").decode("utf-8")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
