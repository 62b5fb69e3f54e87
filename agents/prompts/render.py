"""Rendering of prompts: one Jinja file per agent, one named block per step, a missing variable is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

__all__ = ["render"]


@cache
def _template(agent: str, package: str) -> Template:
    own = PackageLoader("agents", "prompts")
    environment = Environment(
        # A template of another package may import from Milepost's parts.j2.
        loader=own if package == "agents.prompts" else ChoiceLoader([PackageLoader(package, "."), own]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  (prompts are text for a model, not markup)
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{agent}.j2")


def render(agent: str, step: str, variables: Mapping[str, object], package: str = "agents.prompts") -> str:
    """Return block ``step`` of ``agent``'s template, which lies in ``package``.

    Raises:
        jinja2.UndefinedError: the block uses a variable that is not given.
    """
    template = _template(agent, package)
    return "".join(template.blocks[step](template.new_context(dict(variables)))).strip()
