"""Asking a model without a run around it: a backend directly, or through a runner that keeps nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.ports import Model
from agents.runner import Runner
from orchestrator.budget import RunBudget
from orchestrator.config import AGENTS
from orchestrator.terminal import QuietView
from schemas.call import CallRecord, Message, ModelReply, ModelRequest, Outcome, Usage
from schemas.idea import Limits


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


class NoJournal:
    """Finds nothing and keeps nothing."""

    def find(self, request: ModelRequest) -> CallRecord | None:
        return None

    def paid(self, digest: str) -> bool:
        return False

    def record(self, record: CallRecord) -> None: ...

    def masked(self, text: str) -> str:
        return text

    def log_call(
        self,
        request: ModelRequest,
        outcome: Outcome,
        *,
        record: CallRecord | None,
        duration_ms: int,
        error: str | None = None,
        lost: Usage | None = None,
        cost_usd: float | None = None,
    ) -> None: ...


def runner_for(model: Model) -> Runner:
    """Return a runner whose agents all have ``model``."""
    return Runner(dict.fromkeys(AGENTS, model), NoJournal(), RunBudget(Limits()), QuietView(), "brief")
