"""``python -m orchestrator`` is the same program as ``milepost``."""

from orchestrator.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
