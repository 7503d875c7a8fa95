"""Bring a file over HTTP, through dropped connections and servers that stumble."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from mmras_stream.errors import DownloadError
from mmras_stream.models.drive_page import confirmed_url

ATTEMPTS = 5
"""In a row that bring nothing new, before it is given up."""

FIRST_WAIT_SECONDS = 1.0
"""Doubled after each attempt."""

TIMEOUT_SECONDS = 30.0
"""Without a byte."""

CHUNK = 1 << 18
"""Bytes."""

LARGEST_PAGE = 1 << 20
"""Bytes of a web page that are looked at."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers after which it is worth to ask again."""

USER_AGENT = "mmras-stream"

Report = Callable[[int, int | None], None]
"""Called with the bytes here and the bytes in all, None where the server does not tell."""


class _Interrupted(Exception):  # noqa: N818 - no error yet: it is tried again
    """The transfer broke off in a way that may pass."""


class _Redirects(HTTPRedirectHandler):
    """Follow redirects, but never from https to anything less."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and after != before:
            raise DownloadError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Partial:
    """A file that is being filled, and which version of it the server has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version_path = path.with_name(f"{path.name}.version")

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> str | None:
        """What the server called the version the bytes are of."""
        return self._version_path.read_text() if self._version_path.is_file() else None

    def restart(self, version: str | None) -> None:
        """Forget the bytes; those to come are of this version."""
        self.discard()
        self.path.touch()
        if version:
            self._version_path.write_text(version)

    def discard(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)
        self._version_path.unlink(missing_ok=True)

    def publish(self, final: Path) -> None:
        """Give the bytes their name, replacing what had it."""
        self.path.replace(final)
        self._version_path.unlink(missing_ok=True)


def fetch(
    url: str, partial: Partial, *, report: Report, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Fill a partial file from where it ends; what is there is kept when it is given up.

    Args:
        url: http or https.
        partial: What to fill.
        report: See `Report`.
        sleep: Waits so many seconds.

    Raises:
        DownloadError: the server has no such file, answers with a page, or cannot be reached.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{url} is no web address; it begins with https://")
    opener = build_opener(_Redirects)
    failures, most = 0, partial.size
    while True:
        try:
            with _disk_errors(partial.path):
                return _continue(opener, url, partial, report)
        except _Interrupted as error:
            failures = 0 if partial.size > most else failures + 1
            most = max(most, partial.size)
            if failures == ATTEMPTS:
                raise DownloadError(f"cannot fetch {url}: {error}, {ATTEMPTS} times") from error
            sleep(FIRST_WAIT_SECONDS * 2 ** max(0, failures - 1))


def _continue(opener: OpenerDirector, url: str, partial: Partial, report: Report) -> None:
    for may_ask in (True, False):
        response = _open(opener, url, partial)
        if response is None:  # nothing is left to fetch
            return
        with closing(response):
            if not _is_page(response):
                _receive(response, partial, report)
                return
            page = _read(response, LARGEST_PAGE).decode("utf-8", "replace")
            behind = confirmed_url(page, response.url) if may_ask else None
        if behind is None:
            break
        url = behind
    raise DownloadError(
        f"{url} answers with a web page in place of a file; open it in a browser to see why"
    )


def _open(opener: OpenerDirector, url: str, partial: Partial) -> http.client.HTTPResponse | None:
    """Ask for what is missing; None where nothing is."""
    request = Request(url, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    size, version = partial.size, partial.version
    if size and version:  # without one, nobody could tell whether the rest belongs to the beginning
        request.add_header("Range", f"bytes={size}-")
        request.add_header("If-Range", version)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        with closing(error):
            _judge(error, url, partial)
        return None
    except URLError as error:
        raise _Interrupted(
            f"{urlsplit(url).hostname} cannot be reached ({error.reason})"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error
    return response


def _judge(error: HTTPError, url: str, partial: Partial) -> None:
    """Return where the answer means that all is here; raise otherwise."""
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if error.headers.get("Content-Range") == f"bytes */{partial.size}":
            return
        partial.discard()
        raise _Interrupted("the server has another version now") from error
    if error.code in PASSING:
        raise _Interrupted(f"the server answers {error.code} {error.reason}") from error
    raise DownloadError(f"cannot fetch {url}: the server answers {error.code} {error.reason}")


def _receive(response: http.client.HTTPResponse, partial: Partial, report: Report) -> None:
    total: int | None
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        total = _total_of_rest(response, partial)
    else:
        partial.restart(_version(response))
        total = response.length
    here = partial.size
    with partial.path.open("ab") as file:
        while chunk := _read(response, CHUNK):
            file.write(chunk)
            here += len(chunk)
            report(here, total)
    if total is not None and here != total:
        raise _Interrupted(f"the connection broke off at {here} of {total} bytes")


def _total_of_rest(response: http.client.HTTPResponse, partial: Partial) -> int:
    given = response.headers.get("Content-Range", "")
    numbers = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", given)
    if numbers is None or int(numbers[1]) != partial.size:
        partial.discard()
        raise _Interrupted(f"the server sent another part than asked for ({given!r})")
    return int(numbers[2])


def _read(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _version(response: http.client.HTTPResponse) -> str | None:
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):  # a weak one may stand for other bytes
        return tag
    return response.headers.get("Last-Modified")


def _is_page(response: http.client.HTTPResponse) -> bool:
    return response.headers.get_content_type() == "text/html"


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Name the file; what the network does is none of these errors."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another "
            "--to"
        ) from error
