"""Records on disk: one file per model call and per measured fact, named by what decided it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.files import write_text
from schemas.base import digest_of
from schemas.call import CallRecord, ModelRequest

__all__ = ["RecordStore"]

M = TypeVar("M", bound=BaseModel)


class RecordStore:
    """``<folder>/calls/<digest>.json`` and ``<folder>/facts/<digest>.json``.

    ``others`` are the folders of other runs whose replies and measurements may be reused.
    """

    def __init__(self, folder: Path, others: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._others = list(others)
        self._alike: dict[str, str] | None = None
        """Digest of a request without its bound → that of its record; None before anybody has asked for it."""

    def find(self, digest: str) -> CallRecord | None:
        """Return the record of a call, of this run or of one of the others; a damaged file counts as none."""
        for folder in (self.folder, *self._others):
            record = _read(folder / "calls" / f"{digest}.json", CallRecord)
            if record is not None and record.digest == digest:
                return record
        return None

    def answer(self, request: ModelRequest) -> CallRecord | None:
        """Return the record of ``request``. How long a reply may become decides only one that it cuts off: a whole one
        that was asked for with another bound is an answer too, so whoever changes that setting pays for nothing again.
        """
        found = self.find(request.digest)
        if found is not None:
            return found
        if self._alike is None:
            folders = (*reversed(self._others), self.folder)  # of several the run's own counts
            self._alike = {like: digest for folder in folders for like, digest in _whole_replies(folder)}
        digest = self._alike.get(_unbounded(request.model_dump(mode="json")))
        return self.find(digest) if digest else None

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


def _whole_replies(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield, of each reply that came to its end, the digest of its request without the bound, and its record's."""
    for path in sorted(folder.glob("calls/*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):  # a damaged record counts as none
            record = json.loads(path.read_bytes())
            if record["reply"]["stop_reason"] not in ("max_tokens", "context_exceeded"):
                yield _unbounded(record["request"]), path.stem


def _unbounded(request: Mapping[str, object]) -> str:
    return digest_of({**request, "max_tokens": None})


def _text(value: BaseModel) -> str:
    return value.model_dump_json(indent=1) + "\n"


def _read(path: Path, kind: type[M]) -> M | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
