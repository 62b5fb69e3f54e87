"""Settings: defaults < ``milepost.toml`` < environment (and ``.env``) < flags, each with where it came from."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError

from agents.finishing import installed_agents
from agents.ports import Price
from schemas.base import Schema
from schemas.errors import InputError
from schemas.idea import Limits

__all__ = ["AGENTS", "ATTEMPTS", "Loaded", "Settings", "agent_names", "load_settings", "read_env_file"]

ATTEMPTS = 3
"""Per milestone, where neither the idea nor a setting says otherwise."""

Switch = Literal["auto", "on", "off"]

AGENTS = (
    "planner",
    "spec",
    "arch",
    "tester",
    "impl",
    "evaluator",
    "critic",
    "refactorer",
    "router",
    "generator",
    "scorer",
    "refiner",
    "memory",
)

RESERVED = (*AGENTS, "architect", "engineer", "test_runner", "finish", "brief", "corrections", "parts")
"""Names that no agent of another package may have: of agents, of the roles of a route, and of templates."""


def _header_safe(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError("holds a character that no key has (only visible ASCII is allowed); was it copied whole?")
    return key


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an address such as http://127.0.0.1:11434/v1")
    _ = parts.port  # raises ValueError for what is no port
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password, which would be written down: a key belongs into api_key")
    return url


Address = Annotated[str, AfterValidator(_address)]
"""Where a server is."""

Key = Annotated[SecretStr, AfterValidator(_header_safe)]
"""A secret that goes into an HTTP header; it is never shown in a message."""


class Tiers(Schema):
    """Claude models by tier."""

    strong: str = "claude-opus-4-8"
    cheap: str = "claude-haiku-4-5"
    top: str | None = "claude-opus-5-5"
    """What the strong tier escalates to; None: nothing."""


class AnthropicSettings(Schema):
    """The ``anthropic`` backend."""

    api_key: Key | None = None
    base_url: Address | None = None
    max_retries: int = Field(default=4, ge=0, le=20)
    timeout: float = Field(default=600.0, gt=0)
    """Seconds between two pieces of a reply."""


class EmbeddedSettings(Schema):
    """The ``embedded`` backend."""

    path: Path | None = None
    """A GGUF file of your own instead of the default model."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """None: as many as there are processors for this process."""
    context_tokens: int = Field(default=16_384, ge=2_048)
    parallel: int = Field(default=4, ge=1, le=32)
    """How many requests are answered at once."""


class ServerSettings(Schema):
    """The ``openai`` backend: any server that speaks that protocol."""

    base_url: Address = "http://127.0.0.1:11434/v1"
    model: str | None = None
    higher: str | None = None
    """The server's model to escalate to; None: none."""
    api_key: Key | None = None
    step: Literal["function", "project"] = "function"
    context_tokens: int = Field(default=32_000, ge=2_048)
    """What prompt and reply may take together; the server's own limit."""
    max_output_tokens: int | None = Field(default=None, ge=256)
    """What a server that takes a key is asked for at most; None: 4,000 where ``step`` is ``function``, else 16,000."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds for a whole reply."""


class SandboxSettings(Schema):
    """How generated code is confined."""

    kind: Literal["auto", "bubblewrap", "landlock", "container"] = "auto"
    """``auto``: bubblewrap, else Landlock. ``container`` trusts the disposable container that Milepost runs in."""
    test_seconds: float = Field(default=30.0, gt=0, le=3600)
    mutants: int = Field(default=12, ge=0, le=200)
    """How many planted defects the tests of an attempt are tried on; 0: not measured."""


class JudgeSettings(Schema):
    """The Eval agent."""

    repeats: int = Field(default=1, ge=1, le=9)
    """How many opinions are asked for; of each dimension the lower median counts."""


class ControllerSettings(Schema):
    """What is tried after an attempt that was not good enough: `orchestrator.controller`."""

    resample: bool = True
    """Whether to begin afresh, with the facts, where a refinement brought nothing better."""
    escalate: bool = True
    """Whether to go on with models of the next tier, where that did not help either."""
    patience: int = Field(default=3, ge=1, le=20)
    """After so many attempts in a row that brought nothing better, no more are made. Not for the new
    starts of ``milepost refine`` with a local model, which know nothing of each other."""


class MemorySettings(Schema):
    """What the agents of a run are shown of earlier attempts and milestones."""

    window_tokens: int | None = Field(default=None, ge=0)
    """Bound of what is shown of a namespace; 0: nothing is. None: 4,000, or 500 for models that go by functions, whose
    prompts are short."""


class RefineSettings(Schema):
    """``milepost refine``: one program, generated, scored and refined."""

    min_score: float = Field(default=9.6, ge=0, le=10)
    """The bar, 0–10."""
    max_refinements: int | None = Field(default=None, ge=0, le=50)
    """None: 3, or 8 while examples fail and a local model that goes by functions begins anew (decision 0017)."""
    run: bool = True
    """Whether the program is run: while it is written, for the facts, and once more at the end."""
    seconds: float = Field(default=30.0, gt=0, le=600)
    """Time limit of the run at the end; a server, which does not end, runs so long."""
    history: bool = True
    """Whether scorer and refiner are shown the earlier attempts. Without that a scorer takes back what it rewarded."""
    window_tokens: int = Field(default=1_500, ge=400)
    """Bound of what they are shown of them."""


class PriceSettings(Schema):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    cache_read: float | None = Field(default=None, ge=0)

    def price(self) -> Price:
        """Caching costs as much as plain input where nothing else is said."""
        return Price(
            self.input,
            self.output,
            self.input if self.cache_write is None else self.cache_write,
            self.input if self.cache_read is None else self.cache_read,
        )


class Settings(Schema):
    """All settings. In the environment, ``embedded.path`` is ``MILEPOST_EMBEDDED_PATH``, and so on."""

    backend: Literal["auto", "anthropic", "embedded", "openai", "scripted"] = "auto"
    """``auto``: anthropic where a key is set, otherwise embedded."""
    attempts: int | None = Field(default=None, ge=1, le=20)
    """Per milestone; None: as many as the idea allows, or `ATTEMPTS`."""
    routing: Literal["fixed", "planner"] = "fixed"
    """Who says which agent is next in an attempt: the fixed order, or the router."""
    cache: Path | None = None
    """Folder of the model and of environments; None: the user's cache folder."""
    script: Path | None = None
    """The ``scripted`` backend's script (YAML)."""
    roles: dict[str, str] = Field(default_factory=dict)
    """Agent → a model's name or, for ``anthropic``, a tier: ``strong``, ``cheap`` or ``top``."""
    models: Tiers = Tiers()
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    limits: Limits = Limits()
    anthropic: AnthropicSettings = AnthropicSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    openai: ServerSettings = ServerSettings()
    sandbox: SandboxSettings = SandboxSettings()
    judge: JudgeSettings = JudgeSettings()
    controller: ControllerSettings = ControllerSettings()
    memory: MemorySettings = MemorySettings()
    review: Switch = "auto"
    """Whether the Critic reviews the code of each attempt; ``auto``: if its model goes by projects."""
    refactor: Switch = "auto"
    """Whether the Refactorer goes over accepted work; ``auto``: if its model goes by projects."""
    extensions: bool = True
    """Whether the agents of other packages are used."""
    refine: RefineSettings = RefineSettings()

    def effective_backend(self) -> Literal["anthropic", "embedded", "openai", "scripted"]:
        """Return the backend that ``auto`` stands for."""
        if self.backend != "auto":
            return self.backend
        return "anthropic" if self.anthropic.api_key else "embedded"

    def public(self) -> dict[str, object]:
        """Return all settings without secrets, for the run's record; the backend is the one that is in force."""
        dumped: dict[str, object] = self.model_dump(
            mode="json", exclude={"anthropic": {"api_key"}, "openai": {"api_key"}}
        )
        return {**dumped, "backend": self.effective_backend()}


def agent_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of all agents that ``settings`` put to use."""
    return (*AGENTS, *(installed_agents(RESERVED) if settings.extensions else ()))


@dataclass(frozen=True)
class Loaded:
    """Settings, and dotted name → where each came from, for those that are not defaults."""

    settings: Settings
    sources: Mapping[str, str]


def load_settings(
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    recorded: Mapping[str, object] = MappingProxyType({}),
) -> Loaded:
    """Return the settings in force. ``flags`` maps dotted names to values; None is not set.
    ``recorded`` are those that a run began with: they stand in for the defaults.

    Raises:
        InputError: with one message per mistake.
    """
    problems: list[str] = []
    given = [(dotted, value, "the run's record") for dotted, value in _flat(recorded)]
    given += [(dotted, value, str(file)) for dotted, value in _flat(_toml(file))]
    given += _from_environment(environment, problems)
    given += [(dotted, value, "command line") for dotted, value in flags.items() if value is not None]
    values: dict[str, Any] = {}
    for dotted, value, source in given:
        target = values
        *tables, last = dotted.split(".")
        for table in tables:
            target = target.setdefault(table, {})
            if not isinstance(target, dict):
                raise InputError(f"{source}: {table} must be a table, so that {dotted} can be set")
        target[last] = value
    sources = {dotted: source for dotted, _, source in given}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for e in error.errors():
            dotted = ".".join(str(p) for p in e["loc"])
            problems.append(f"{sources.get(dotted, file)}: {dotted}: {_said(e['type'], e['msg'], dotted)}")
        raise InputError(*problems) from None
    known = agent_names(settings)
    problems += [
        f"{sources.get(f'roles.{agent}', file)}: roles.{agent}: no such agent; known: {', '.join(known)}"
        for agent in settings.roles
        if agent not in known
    ]
    if settings.limits.attempts is not None:  # an idea's limit, which the setting of that name beats
        problems.append(f"{sources['limits.attempts']}: limits.attempts: the setting is called attempts")
    if problems:
        raise InputError(*problems)
    return Loaded(settings, sources)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> list[tuple[str, object, str]]:
    """Return dotted name, value and source of each variable that is a setting; an empty one is none, a misspelt one a
    problem."""
    known = _names()
    given: list[tuple[str, object, str]] = []
    for name, text in sorted(environment.items()):
        if not text:
            continue
        if name in _ALIASES:
            given.append((_ALIASES[name], text, f"environment {name}"))
        elif name in known:
            given.append((known[name], text, f"environment {name}"))
        elif role := re.fullmatch(r"MILEPOST_ROLES_([A-Z0-9_]+)", name):  # perhaps another package's agent
            given.append((f"roles.{role[1].lower()}", text, f"environment {name}"))
        elif name.startswith("MILEPOST_"):
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(f"environment {name}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    return given


def read_env_file(path: Path) -> dict[str, str]:
    """Return the ``NAME=value`` lines of a ``.env`` file that concern Milepost; no file gives none."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte-order mark
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    found = {}
    for line in text.splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        name = name.strip()
        if sign and (name.startswith("MILEPOST_") or name in _ALIASES):
            found[name] = value.strip().strip("'\"")
    return found


_ALIASES = {
    "ANTHROPIC_API_KEY": "anthropic.api_key",
    "ANTHROPIC_BASE_URL": "anthropic.base_url",
}


def _names() -> dict[str, str]:
    """Return environment name → dotted name of every setting that is one value."""
    names = {}
    for name, field in Settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Schema):
            for sub in inner.model_fields:
                names[f"MILEPOST_{name}_{sub}".upper()] = f"{name}.{sub}"
        elif name not in ("roles", "prices"):
            names[f"MILEPOST_{name}".upper()] = name
    for agent in AGENTS:
        names[f"MILEPOST_ROLES_{agent}".upper()] = f"roles.{agent}"
    return names


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: is not valid TOML: {error}") from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict) and f"{prefix}{name}".split(".")[0] != "prices":
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def _said(kind: str, message: str, dotted: str) -> str:
    if kind == "extra_forbidden":
        names = [name for name in {*_names().values(), "roles", "prices"}]
        near = difflib.get_close_matches(dotted, names, n=1)
        return "unknown setting" + (f"; did you mean {near[0]!r}?" if near else "")
    return message.removeprefix("Value error, ")
