"""A real HTTP server on the loopback that speaks enough of the Messages API for the official SDK.

It answers from the same scripts as the scripted model. `faults` are served first, one per request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agents.models.scripted import ScriptedReply

FAULTS = {
    "429": (429, "rate_limit_error"),
    "529": (529, "overloaded_error"),
    "500": (500, "api_error"),
    "400": (400, "invalid_request_error"),
    "401": (401, "authentication_error"),
    "404": (404, "not_found_error"),
    "413": (413, "request_too_large"),
}


@dataclass
class MessagesServer:
    """What the server plays and what it has seen."""

    script: list[ScriptedReply]
    faults: list[str] = field(default_factory=list)
    """Names out of `FAULTS`, or: drop (the connection closes mid-stream), error (an error event mid-stream),
    garbage (an event that is not JSON), cut (the stream ends early), nothing (an empty one), page (HTML), bare (a delta
    of a block that was not begun), pause (the turn pauses), truncated, refusal."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: dict[str, Any]) -> tuple[str | None, str]:
        """Return the fault to play, if any, and the reply's text."""
        with self.lock:
            self.requests.append(body)
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None and fault not in ("truncated", "refusal", "pause"):
                return fault, ""
            for index, line in enumerate(self.script):
                if line.match in str(body["messages"][-1]["content"]):
                    if not line.repeat:
                        del self.script[index]
                    return fault, line.reply
        return "500", ""


class Handler(BaseHTTPRequestHandler):
    """Answers for `state`."""

    state: MessagesServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        fault, text = self.state.take(body)
        if any(not block["text"] and "cache_control" in block for block in body.get("system", ())):
            fault = "400"  # "cache_control cannot be set for empty text blocks"
        if self.path.split("?")[0] != "/v1/messages":
            fault = "404"
        if fault in FAULTS:
            self._refuse(*FAULTS[fault])
        elif body.get("stream"):
            self._stream(body, text, fault)
        else:
            self._send(200, json.dumps(_message(body, text, fault)).encode(), "application/json")

    def _refuse(self, status: int, kind: str) -> None:
        body = json.dumps({"type": "error", "error": {"type": kind, "message": f"made-up {kind}"}}).encode()
        self._send(status, body, "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if status == 429:
            self.send_header("retry-after", "0.01")
        elif status >= 500:
            self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, body: dict[str, Any], text: str, fault: str | None) -> None:
        if fault in ("nothing", "page"):
            return self._send(200, b"<html>busy</html>" if fault == "page" else b"", "text/html")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        message = _message(body, "", None)
        message["stop_reason"] = None
        self._event("message_start", {"message": message})
        if fault == "bare":
            self._event("content_block_delta", {"index": 3, "delta": {"type": "text_delta", "text": "x"}})
            return self._end()
        self._event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        if fault == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if fault == "error":
            self._event("error", {"error": {"type": "overloaded_error", "message": "made-up overload"}})
            return self._end()
        if fault == "cut":
            self._event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hel"}})
            return self._end()
        if fault == "garbage":
            self._chunk(b"event: content_block_delta\ndata: {not json\n\n")
            return self._end()
        for start in range(0, len(text), 400):
            delta = {"type": "text_delta", "text": text[start : start + 400]}
            self._event("content_block_delta", {"index": 0, "delta": delta})
        self._event("content_block_stop", {"index": 0})
        whole = _message(body, text, fault)
        self._event(
            "message_delta",
            {
                "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": whole["usage"]["output_tokens"]},
            },
        )
        self._event("message_stop", {})
        self._end()

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        self._chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def messages_server(script: list[ScriptedReply], faults: list[str] | None = None) -> Iterator[MessagesServer]:
    """Serve ``script`` on a free loopback port until the block ends."""
    state = MessagesServer(list(script), list(faults or []))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _message(body: dict[str, Any], text: str, fault: str | None) -> dict[str, Any]:
    stop = {"truncated": "max_tokens", "refusal": "refusal", "pause": "pause_turn"}.get(fault or "", "end_turn")
    size = sum(len(str(m["content"])) for m in body["messages"])
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": size // 4,
            "output_tokens": max(1, len(text) // 4),
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 0,
        },
    }
