"""A web server on this machine that answers as it is told, once for each request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class FileServer:
    """What is asked of it, and what it will say."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    """In order; the last one is repeated."""
    ranges: list[str | None] = field(default_factory=list)
    """The Range of each request so far."""
    paths: list[str] = field(default_factory=list)


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Serve on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.ranges.append(self.headers["Range"])
            served.paths.append(self.path)
            answers = served.answers
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

        def log_message(self, *_: object) -> None:
            """Keep the tests quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        served = FileServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def content(
    body: bytes,
    *,
    version: str | None = '"1"',
    breaks_at: int | None = None,
    ranges: bool = True,
    shifted: int = 0,
) -> Answer:
    """Send a file.

    Args:
        body: All of it.
        version: ETag; a request for the rest of another version gets the whole.
        breaks_at: Byte of the file at which the connection ends.
        ranges: Whether requests for the rest are understood.
        shifted: By how many bytes the rest begins too late.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = 0
        asked = handler.headers["Range"]
        if asked and ranges and handler.headers["If-Range"] == version:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + shifted
        if start >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", str(len(body) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if version:
            handler.send_header("ETag", version)
        handler.end_headers()
        handler.wfile.write(body[start:breaks_at])

    return answer


def status(code: int) -> Answer:
    """Send nothing but a status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirect(url: str) -> Answer:
    """Point elsewhere."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer


def page(html: str) -> Answer:
    """Send a web page."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.end_headers()
        handler.wfile.write(html.encode())

    return answer
