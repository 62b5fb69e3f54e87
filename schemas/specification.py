"""What the Spec agent produces for a milestone."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.base import Line, Schema

__all__ = ["Contract", "Entity", "EntityField", "NonFunctional", "SpecRevision", "Specification", "UserStory"]

Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=1500)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160)]


def _without_lead(value: object, lead: str) -> object:
    """Drop words that the sentence has already, which models like to repeat."""
    return re.sub(f"^{lead}", "", value, flags=re.I).rstrip(".") if isinstance(value, str) else value


class UserStory(Schema):
    """As a ``role``, I want ``want``, so that ``benefit``."""

    role: Annotated[Short, BeforeValidator(lambda v: _without_lead(v, r"(as )?an? "))]
    want: Annotated[Short, BeforeValidator(lambda v: _without_lead(v, r"i (want|would like) "))]
    benefit: Annotated[Short, BeforeValidator(lambda v: _without_lead(v, r"so that "))]

    def __str__(self) -> str:
        return f"As a {self.role}, I want {self.want}, so that {self.benefit}."


class Contract(Schema):
    """One API contract: a function, class, command or endpoint, and how it answers."""

    kind: Literal["function", "class", "command", "endpoint"]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    """Function or class name, command line, or HTTP path."""
    method: Literal["call", "GET", "POST", "PUT", "PATCH", "DELETE"] = "call"
    request: Short
    response: Short
    behaviour: Line
    errors: list[Short] = Field(default_factory=list, max_length=6)
    """Status codes or exceptions, each with when it occurs."""


class EntityField(Schema):
    """A field of an entity, with its type and constraints."""

    name: Short
    type: Short
    constraints: Annotated[str, StringConstraints(strip_whitespace=True, max_length=160)] = ""


class Entity(Schema):
    """An entity of the data model."""

    name: Short
    fields: list[EntityField] = Field(min_length=1, max_length=12)
    relationships: list[Short] = Field(default_factory=list, max_length=6)


class NonFunctional(Schema):
    """Non-functional requirements; ``none`` is a legitimate answer."""

    performance: Short
    security: Short
    scalability: Short


class Specification(Schema):
    """The specification of one milestone."""

    prd: list[Paragraph] = Field(min_length=2, max_length=3)
    """The product requirements document, two or three paragraphs."""
    user_stories: list[UserStory] = Field(min_length=3, max_length=5)
    contracts: list[Contract] = Field(min_length=1, max_length=12)
    data_model: list[Entity] = Field(max_length=8)
    non_functional: NonFunctional


class SpecRevision(Schema):
    """What the Spec agent changes after feedback. An empty list changes nothing."""

    reason: Line
    contracts: list[Contract] = Field(max_length=6)
    """Contracts to replace (same name and method) or add."""

    def apply(self, specification: Specification) -> Specification:
        """Return ``specification`` with the revised contracts in place of those of the same name and method; of the
        same name, where only one has it."""
        kept = list(specification.contracts)
        for contract in self.contracts:
            named = [n for n, old in enumerate(kept) if old.name == contract.name]
            same = [n for n in named if kept[n].method == contract.method]
            at = next(iter(same or [n for n in named if self._mended(kept[n], contract)]), len(kept))
            kept[at : at + 1] = [contract]
        return specification.model_copy(update={"contracts": kept[:12]})

    def _mended(self, old: Contract, new: Contract) -> bool:
        """Whether ``new`` gives ``old`` the method that it lacked, or takes one from it that it should not have."""
        methods = {contract.method for contract in self.contracts if contract.name == old.name}
        return "call" in (old.method, new.method) and old.method not in methods
