"""What four replies to one prompt cost: in one call, and in four. Run: python benchmarks/choices.py

Both ways alternate in one process; only the ratio means anything on a shared machine.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from platformdirs import user_cache_path

from agents.models.embedded import EmbeddedModel
from agents.models.fetch import CODER_1_5B, ensure
from schemas.call import Message, ModelRequest

TASK = "Write a Python function that turns a text like 1h30m into seconds. ValueError otherwise. The function only. "
ROUNDS = 3


def request(model: EmbeddedModel, salt: int, *, choices: int, sample: int) -> ModelRequest:
    """A prompt of some 300 tokens that no cache has seen."""
    text = f"Question {salt}. {TASK * 10}"
    return ModelRequest(
        agent="impl",
        model=model.name,
        system="You are a programmer.",
        messages=[Message(role="user", content=text)],
        max_tokens=80,
        temperature=0.7,
        sample=sample,
        choices=choices,
    )


async def main() -> None:
    """Print seconds of both ways, and their ratio."""
    path = ensure(CODER_1_5B, user_cache_path("milepost") / "models", None, lambda *_: None)
    model = EmbeddedModel(path, threads=2)
    await model.reply(request(model, 0, choices=1, sample=0), lambda _: None)
    one_call, four_calls = [], []
    for number in range(ROUNDS):
        started = time.monotonic()
        await model.reply(request(model, 10 + number, choices=4, sample=0), lambda _: None)
        one_call.append(time.monotonic() - started)
        started = time.monotonic()
        requests = [request(model, 20 + number, choices=1, sample=s) for s in range(4)]
        await asyncio.gather(*(model.reply(r, lambda _: None) for r in requests))
        four_calls.append(time.monotonic() - started)
    one, four = statistics.median(one_call), statistics.median(four_calls)
    print(f"one call of four choices {one:.1f} s, four calls at once {four:.1f} s, ratio {four / one:.2f}")
    await model.close()


if __name__ == "__main__":
    if not Path("pyproject.toml").exists():
        raise SystemExit("run it from the project's folder")
    asyncio.run(main())
