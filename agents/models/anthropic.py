"""Claude through the official SDK: async, streamed, structured outputs, cached system prompt.

Transport faults (429, 5xx, 529, time-outs) are retried by the SDK; a connection that drops
in the middle of a stream is not: what came is billed, so the `Runner` asks again, within the limits.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import anthropic
import httpx2
from anthropic import AsyncAnthropic, transform_schema

from agents.models.faults import says_too_long
from agents.ports import ModelError, Price, Progress, PromptTooLong, Traits
from schemas.call import ModelReply, ModelRequest, StopReason, Usage, estimated_tokens

if TYPE_CHECKING:
    from anthropic.types import Message, MessageParam

__all__ = ["PRICES", "AnthropicModel"]

# Source: the provider's public price list, read November 2026. Another model's price is set in the configuration.
PRICES = {
    "claude-opus-4-8": Price(input=5.0, output=25.0, cache_write=6.25, cache_read=0.50),
    "claude-haiku-4-5": Price(input=1.0, output=5.0, cache_write=1.25, cache_read=0.10),
    "claude-opus-5-5": Price(input=4.0, output=20.0, cache_write=5.0, cache_read=0.20),
}

_STOP: dict[str | None, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "max_tokens": "max_tokens",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_exceeded",
}
_MAX_PAUSES = 4


class AnthropicModel:
    """One Claude model. The key and the address come from the caller, never from a module-level client."""

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        base_url: str | None = None,
        price: Price | None = None,
        max_retries: int = 4,
        timeout: float = 600.0,
        max_output_tokens: int = 32_000,
    ) -> None:
        """``timeout`` is in seconds, between two pieces of a reply."""
        self._model = model
        self._client = AsyncAnthropic(
            api_key=api_key, base_url=base_url, max_retries=max_retries, timeout=httpx2.Timeout(timeout, connect=10.0)
        )
        self._traits = Traits(
            step="project",
            context_tokens=200_000,
            max_output_tokens=max_output_tokens,
            price=price or PRICES.get(model),
            again=max_retries,
        )

    @property
    def name(self) -> str:
        """``anthropic/<model>``"""
        return f"anthropic/{self._model}"

    @property
    def traits(self) -> Traits:
        """Whole projects at once; priced."""
        return self._traits

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer ``request``, going on where the provider pauses a long turn.

        Raises:
            PromptTooLong: the request does not fit into the model's context.
            ModelError: no reply after all retries, or the key or model was refused; or the reply broke off.
        """
        text, used = "", list[Usage]()
        messages: list[MessageParam] = [_turn(m.role, m.content) for m in request.messages]
        for _ in range(_MAX_PAUSES):
            message = await self._message(request, messages, progress, used)
            text += "".join(block.text for block in message.content if block.type == "text")
            used.append(_usage(message))
            if message.stop_reason != "pause_turn":
                break
            messages.append({"role": "assistant", "content": message.content})
        return ModelReply(
            text=text,
            stop_reason=_STOP.get(message.stop_reason, "max_tokens"),
            usage=sum(used, Usage()),
            model=message.model,
        )

    async def _message(
        self, request: ModelRequest, messages: list[MessageParam], progress: Progress, used: list[Usage]
    ) -> Message:
        """Return the answer; what a stream took that broke off is added to ``used``: it was sent, and is billed."""
        try:
            return await self._streamed(request, messages, progress, used)
        except Exception as error:  # what the SDK makes of a stream that is none is not only its own errors
            failure = self._failure(error)
            failure.usage = sum(used, Usage())
            raise failure from error

    async def _streamed(
        self, request: ModelRequest, messages: list[MessageParam], progress: Progress, used: list[Usage]
    ) -> Message:
        options: dict[str, Any] = {}
        if request.output_schema is not None:
            schema = transform_schema(request.output_schema)
            options["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if request.system:  # an empty text can't be cached, and is refused
            options["system"] = [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}]
        async with self._client.messages.stream(
            model=self._model,
            max_tokens=request.max_tokens,
            messages=messages,
            **options,
        ) as stream:
            came, text = 0, ""
            try:
                async for piece in stream.text_stream:
                    came, text = came + estimated_tokens(piece), text + piece
                    progress(came)
                message = await stream.get_final_message()
                if message.stop_reason is None:
                    raise ValueError("it ends without a reason")
            except Exception:
                with suppress(AssertionError):  # nothing at all had come
                    begun = _usage(stream.current_message_snapshot)
                    written = max(begun.output_tokens, estimated_tokens(text))
                    used.append(begun.model_copy(update={"output_tokens": written}))
                raise
        return message

    def _failure(self, error: Exception) -> ModelError:
        """Return ``error`` in words. Where the reply had not begun, the SDK has tried again, or it would not help."""
        match error:
            case anthropic.AuthenticationError() | anthropic.PermissionDeniedError():
                said = f"the key was refused (HTTP {error.status_code}): check ANTHROPIC_API_KEY"
                return ModelError(said, permanent=True)
            case anthropic.NotFoundError():
                said = f"the model {self._model!r} does not exist (HTTP 404); check [models] and [roles]"
                return ModelError(said, permanent=True)
            case anthropic.APIStatusError():
                # An error in the middle of a stream arrives with the stream's own status, 200.
                said = f"HTTP {error.status_code}: {error.api_message or error.message}"
                if says_too_long(error.status_code, said):
                    return PromptTooLong(said)
                return ModelError(said, broke_off=error.status_code < 400)
            case anthropic.APIConnectionError():
                return ModelError(f"no connection: {error.message}")
        return ModelError(f"the reply broke off: {type(error).__name__}: {error}", broke_off=True)


def _turn(role: Literal["user", "assistant"], content: str) -> MessageParam:
    return {"role": "user", "content": content} if role == "user" else {"role": "assistant", "content": content}


def _usage(message: Message) -> Usage:
    usage = message.usage
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
        cache_write_tokens=usage.cache_creation_input_tokens or 0,
    )
