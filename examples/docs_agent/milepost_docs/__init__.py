"""A Docs agent for Milepost: writes a short guide to what was built."""

from __future__ import annotations

from agents.context import Context
from agents.finishing import FinishingAgent
from agents.parsing import fences
from agents.runner import Runner, Task
from agents.selection import interfaces
from schemas.code_change import CodeChange, FileWrite

__all__ = ["AGENT"]

GUIDE = "docs/guide.md"


async def write_guide(runner: Runner, context: Context) -> CodeChange:
    """Return the guide, new or brought up to date."""
    names = [node for node in context.code if context.code[node].strip()]

    def parse(text: str) -> str:
        blocks = fences(text)
        guide = blocks[0].content if blocks else text
        missing = [path for path in names if path.rpartition("/")[2] not in guide]
        if missing:  # what is raised here goes back to the model
            raise ValueError(f"the guide does not mention {missing[0]}")
        return guide.strip() + "\n"

    variables = {
        **context.variables("docs"),
        **interfaces(context, also=names),
        "names": names,
        "before": context.files.get(GUIDE, ""),
    }
    task = Task("docs", "guide", variables, parse, max_tokens=800, sample=context.sample)
    return CodeChange(writes=[FileWrite(path=GUIDE, content=await runner.ask(task))])


AGENT = FinishingAgent(
    name="docs", about="writes or updates the guide for users", work=write_guide, package="milepost_docs"
)
