"""Rendering of prompts: one Jinja file per agent, one named block per step, a missing variable is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

__all__ = ["render"]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("agents", "prompts"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  (prompts are text for a model, not markup)
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _template(agent: str) -> Template:
    return _environment().get_template(f"{agent}.j2")


def render(agent: str, step: str, variables: Mapping[str, object]) -> str:
    """Return block ``step`` of ``agent``'s template.

    Raises:
        jinja2.UndefinedError: the block uses a variable that is not given.
    """
    template = _template(agent)
    return "".join(template.blocks[step](template.new_context(dict(variables)))).strip()
