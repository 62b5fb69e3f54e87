"""Records on disk: one file per model call and per measured fact, named by what decided it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.files import write_text
from schemas.base import digest_of
from schemas.call import CallRecord

__all__ = ["RecordStore"]

M = TypeVar("M", bound=BaseModel)


class RecordStore:
    """``<folder>/calls/<digest>.json`` and ``<folder>/facts/<digest>.json``.

    ``others`` are the folders of other runs whose replies and measurements may be reused.
    """

    def __init__(self, folder: Path, others: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._others = list(others)

    def find(self, digest: str) -> CallRecord | None:
        """Return the record of a call, of this run or of one of the others; a damaged file counts as none."""
        for folder in (self.folder, *self._others):
            record = _read(folder / "calls" / f"{digest}.json", CallRecord)
            if record is not None and record.digest == digest:
                return record
        return None

    def record(self, record: CallRecord) -> None:
        """Keep ``record``; a crash right after can't lose it."""
        write_text(self.folder / "calls" / f"{record.digest}.json", _text(record))

    def checksum(self, digest: str) -> str | None:
        """Return the SHA-256 of a call's record as it stands in this run's folder; None where there is none."""
        try:
            content = (self.folder / "calls" / f"{digest}.json").read_bytes()
        except OSError:
            return None
        return hashlib.sha256(content).hexdigest()

    def checksum_of(self, record: CallRecord) -> str:
        """Return the SHA-256 that the record's file will have once `record` has kept it."""
        return hashlib.sha256(_text(record).encode()).hexdigest()

    def fact(self, key: object, kind: type[M]) -> M | None:
        """Return the fact that was measured for ``key``, by this run or one of the others, if it was."""
        for folder in (self.folder, *self._others):
            fact = _read(folder / "facts" / f"{digest_of(key)}.json", kind)
            if fact is not None:
                if folder is not self.folder:
                    self.keep_fact(key, fact)  # this run's log stands alone
                return fact
        return None

    def keep_fact(self, key: object, value: BaseModel) -> None:
        """Keep a measured fact, so that a resumed run sees the same one."""
        write_text(self.folder / "facts" / f"{digest_of(key)}.json", _text(value))


def _text(value: BaseModel) -> str:
    return value.model_dump_json(indent=1) + "\n"


def _read(path: Path, kind: type[M]) -> M | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
