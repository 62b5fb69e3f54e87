"""The settings that a command works under."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.config import Loaded, load_settings, read_env_file
from schemas.errors import InputError

__all__ = ["settings_for"]


def settings_for(
    options: argparse.Namespace, beside: Path, recorded: Mapping[str, object] = MappingProxyType({})
) -> Loaded:
    """Load the settings; a ``.env`` in the current folder or beside the idea is read here and nowhere else.

    ``recorded`` are the settings that a run began with, where one is resumed.
    """
    environment = {**read_env_file(Path(".env")), **read_env_file(beside / ".env"), **os.environ}
    flags = {
        "backend": getattr(options, "backend", None),
        "routing": getattr(options, "routing", None),
        "attempts": getattr(options, "attempts", None),
        **{f"refine.{n}": getattr(options, n, None) for n in ("min_score", "max_refinements")},
        # ``milepost resume RUN`` has a ``run`` of another kind.
        "refine.run": options.run if options.command == "refine" else None,
        **{f"limits.{n}": getattr(options, f"max_{n}", None) for n in ("usd", "tokens", "minutes", "calls")},
    }
    if options.config is not None and not options.config.exists():
        raise InputError(f"--config {options.config}: there is no such file")
    return load_settings(options.config or Path("milepost.toml"), environment, flags, recorded)
