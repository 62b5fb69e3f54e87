"""Counting tokens as the embedded model does: byte-pair encoding with the vocabulary of its file, nothing loaded.

The file's format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. How a text is split before pairs are
merged is the pattern of Qwen2 (``llama-vocab.cpp`` of llama.cpp), here for what Python's ``re`` knows of Unicode.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from schemas.call import estimated_tokens

__all__ = ["Tokens", "counter"]

Tokens = Callable[[str], int]
"""Text → how many tokens it takes."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_WORD = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\r\n\w]|_)?[^\W\d_]+|\d"
    r"| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LINE = re.compile(r"(?<=\n)(?=\S)")
"""No word reaches over the start of a line that begins with something to see."""


def counter(model: Path | None) -> tuple[Tokens, str]:
    """Return how tokens are counted, and its name: by the vocabulary of the file ``model``; without one they are
    estimated as Milepost's budget does."""
    if model is None or not model.is_file():
        return estimated_tokens, "estimated, a token for three characters"
    ranks = {tuple(pair.split(" ")): rank for rank, pair in enumerate(_merges(model))}

    @cache
    def word(text: str) -> int:
        parts = [_BYTES[byte] for byte in text.encode()]
        while len(parts) > 1:
            rank, at = min((ranks.get(pair, len(ranks)), n) for n, pair in enumerate(pairwise(parts)))
            if rank == len(ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return len(parts)

    @cache
    def line(text: str) -> int:
        return sum(map(word, _WORD.findall(text)))

    return lambda text: sum(map(line, _LINE.split(text))), f"byte-pair encoding of {model.stem}"


def _byte_names() -> dict[int, str]:
    """Return the visible character that stands for each byte in GPT-2's vocabularies, and all made like them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}


_BYTES = _byte_names()


def _merges(path: Path) -> list[str]:
    """Return the pairs that are merged, the most important first, from a model file's header.

    Raises:
        ValueError: it is no GGUF file, or names none.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise ValueError(f"{path} is no GGUF file")
        _, _, count = struct.unpack_from("<IQQ", data, 4)
        at = 24
        for _ in range(count):
            key, at = _value(data, at, _STRING)
            (kind,) = struct.unpack_from("<I", data, at)
            value, at = _value(data, at + 4, kind)
            if key == "tokenizer.ggml.merges":
                return list(value)
    raise ValueError(f"{path} names no merges")


def _value(data: mmap.mmap, at: int, kind: int) -> tuple[Any, int]:
    """Return the value of ``kind`` at ``at``, and where the next one begins."""
    if kind in _SCALARS:
        form = f"<{_SCALARS[kind]}"
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind == _STRING:
        (length,) = struct.unpack_from("<Q", data, at)
        return data[at + 8 : at + 8 + length].decode("utf-8", "replace"), at + 8 + length
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    values = []
    for _ in range(count):
        value, at = _value(data, at, inner)
        values.append(value)
    return values, at
