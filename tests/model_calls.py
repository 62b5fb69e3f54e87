"""Asking a model backend directly."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.ports import Model
from schemas.call import Message, ModelReply, ModelRequest


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
