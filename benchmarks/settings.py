"""Which settings, and so which model, a benchmark is run with: the product's defaults, or ``--config FILE``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from orchestrator.config import Settings, load_settings
from schemas.errors import InputError

__all__ = ["add_config", "environment", "settings_of"]

_NAMES = ("MILEPOST_", "ANTHROPIC_")
_KEPT = "MILEPOST_CACHE"
"""Where the embedded model lies says nothing of what is measured."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings of another model, in the form of milepost.toml; with it the environment counts too, e.g. for a "
        "key (default: the product's defaults on the embedded model, whatever the environment says)",
    )


def settings_of(config: Path | None) -> Settings:
    """Return the settings to measure with.

    Raises:
        SystemExit: the file is not there, or holds a mistake.
    """
    if config is not None and not config.is_file():
        raise SystemExit(f"--config {config}: there is no such file")
    try:
        return load_settings(config or Path(os.devnull), environment(config), {}).settings
    except InputError as mistake:
        raise SystemExit(str(mistake)) from None


def environment(config: Path | None) -> dict[str, str]:
    """Return the environment that counts: a key that happens to be set there must cost nothing."""
    return {n: v for n, v in os.environ.items() if config or n == _KEPT or not n.startswith(_NAMES)}
