from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest

from file_server import FileServer, content, file_server, page, redirect, status
from mmras_stream.errors import DownloadError
from mmras_stream.models.download import FetchedFile, download
from mmras_stream.models.transfer import _Redirects
from mmras_stream.models.zoo import PublishedModel, RemoteFile

BODY = bytes(range(256)) * 4096
HALF = len(BODY) // 2
OTHER = BODY[::-1]
SHA256 = hashlib.sha256(BODY).hexdigest()


class Client:
    """Downloads into a folder, and keeps what it was told and how long it waited."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.final = folder / "weights.pth"
        self.partial = folder / ".weights.pth.part"
        self.waits: list[float] = []
        self.told: list[tuple[int, int | None]] = []
        self.interrupt_after: int | None = None

    def download(self, url: str | None = None, *, sha256: str | None = None) -> FetchedFile:
        remote = RemoteFile("weights.pth", url or f"{self.server.url}/weights.pth", sha256)
        model = PublishedModel("test", "", "", "", "https://example.com", (remote,))
        (fetched,) = download(
            model, self.folder, report=lambda _: self._report, sleep=self.waits.append
        )
        return fetched

    def _report(self, here: int, total: int | None) -> None:
        self.told.append((here, total))
        if self.interrupt_after is not None and here >= self.interrupt_after:
            raise KeyboardInterrupt


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with file_server() as server:
        yield Client(server, tmp_path / "weights")


def left_behind(client: Client) -> list[str]:
    return sorted(path.name for path in client.folder.iterdir())


def test_a_file_arrives_whole_and_its_hash_is_remembered(client: Client) -> None:
    client.server.answers = [content(BODY)]
    fetched = client.download()
    assert client.final.read_bytes() == BODY
    assert fetched == FetchedFile(client.final, len(BODY), SHA256, "first use", fetched=True)
    assert client.told[-1] == (len(BODY), len(BODY))
    assert json.loads((client.folder / "sha256.json").read_text()) == {"weights.pth": SHA256}
    assert left_behind(client) == ["sha256.json", "weights.pth"]


def test_a_file_that_is_there_is_checked_and_not_fetched_again(client: Client) -> None:
    client.server.answers = [content(BODY)]
    client.download()
    again = client.download()
    assert (again.fetched, again.trust, len(client.server.paths)) == (False, "as before", 1)


def test_after_a_dropped_connection_only_the_rest_is_fetched(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF), content(BODY)]
    client.download()
    assert client.final.read_bytes() == BODY
    assert client.server.ranges == [None, f"bytes={HALF}-"]
    assert client.told[-1] == (len(BODY), len(BODY))
    assert client.waits == [1.0]


def test_a_server_that_ignores_ranges_is_asked_from_the_start(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF), content(BODY, ranges=False)]
    client.download()
    assert client.final.read_bytes() == BODY


def test_without_a_version_nothing_is_pieced_together(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF, version=None), content(OTHER)]
    client.download()
    assert client.server.ranges == [None, None]
    assert client.final.read_bytes() == OTHER


def test_the_rest_of_another_version_is_not_appended(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF), content(OTHER, version='"2"')]
    client.download()
    assert client.final.read_bytes() == OTHER


def test_a_rest_that_begins_elsewhere_is_thrown_away(client: Client) -> None:
    client.server.answers = [
        content(BODY, breaks_at=HALF),
        content(BODY, shifted=10),
        content(BODY),
    ]
    client.download()
    assert client.server.ranges == [None, f"bytes={HALF}-", None]
    assert client.final.read_bytes() == BODY


def test_an_interrupted_download_goes_on_later(client: Client) -> None:
    client.server.answers = [content(BODY)]
    client.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        client.download()
    kept = client.partial.stat().st_size
    assert 0 < kept < len(BODY)
    assert not client.final.exists()
    client.interrupt_after = None
    client.download()
    assert client.server.ranges == [None, f"bytes={kept}-"]
    assert client.final.read_bytes() == BODY


def test_what_was_complete_but_for_its_name_is_not_fetched_again(client: Client) -> None:
    client.server.answers = [content(BODY)]
    client.interrupt_after = len(BODY)
    with pytest.raises(KeyboardInterrupt):
        client.download()
    client.interrupt_after = None
    client.download()
    assert client.final.read_bytes() == BODY
    assert client.told[-1][0] == len(BODY)
    assert len(client.told) == len(BODY) // (1 << 18)


def test_a_part_longer_than_the_file_is_thrown_away(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF), content(b"short"), content(b"short")]
    client.download()
    assert client.final.read_bytes() == b"short"


def test_a_server_that_stumbles_is_asked_again_after_longer_and_longer_waits(
    client: Client,
) -> None:
    client.server.answers = [status(500), status(503), content(BODY)]
    client.download()
    assert client.final.read_bytes() == BODY
    assert client.waits == [1.0, 2.0]


def test_a_server_that_never_recovers_is_given_up_and_the_part_is_kept(client: Client) -> None:
    client.server.answers = [content(BODY, breaks_at=HALF), status(502)]
    with pytest.raises(DownloadError, match="answers 502 Bad Gateway, 5 times") as failure:
        client.download()
    assert f"copy it to {client.final}" in str(failure.value)
    assert client.waits == [1.0, 1.0, 2.0, 4.0, 8.0]
    assert client.partial.stat().st_size == HALF
    assert not client.final.exists()


def test_a_file_that_does_not_exist_is_said_at_once(client: Client) -> None:
    client.server.answers = [status(404)]
    with pytest.raises(DownloadError, match=r"weights.pth: the server answers 404 Not Found"):
        client.download()
    assert client.waits == []
    assert left_behind(client) == []


def test_offline_the_host_and_a_way_out_are_named(client: Client) -> None:
    with file_server() as gone:
        pass
    with pytest.raises(DownloadError, match=r"127.0.0.1 cannot be reached .*refused") as failure:
        client.download(f"{gone.url}/weights.pth")
    assert f"fetch it on another machine and copy it to {client.final}" in str(failure.value)
    assert client.waits == [1.0, 2.0, 4.0, 8.0]


def test_a_wrong_hash_leaves_nothing(client: Client) -> None:
    client.server.answers = [content(OTHER)]
    with pytest.raises(DownloadError, match="gives another file than it should: sha256"):
        client.download(sha256=SHA256)
    assert left_behind(client) == []


def test_the_publishers_hash_wins_over_the_remembered_one(client: Client) -> None:
    client.server.answers = [content(BODY)]
    assert client.download(sha256=SHA256).trust == "published"
    (client.folder / "sha256.json").write_text('{"weights.pth": "0000"}')
    assert client.download(sha256=SHA256).trust == "published"


def test_a_file_that_was_replaced_at_its_publishers_is_noticed(client: Client) -> None:
    client.server.answers = [content(BODY), content(OTHER, version='"2"')]
    client.download()
    client.final.unlink()
    with pytest.raises(DownloadError, match=r"if its publisher replaced it, delete .*sha256.json"):
        client.download()
    assert left_behind(client) == ["sha256.json"]


def test_a_file_that_rotted_on_disk_is_noticed(client: Client) -> None:
    client.server.answers = [content(BODY)]
    client.download()
    client.final.write_bytes(BODY[:-1])
    with pytest.raises(DownloadError, match=r"is not what was fetched.*delete it to fetch it"):
        client.download()


def test_a_damaged_record_is_named(client: Client) -> None:
    client.folder.mkdir()
    (client.folder / "sha256.json").write_text("{")
    with pytest.raises(DownloadError, match=r"cannot read .*sha256.json.*; delete it"):
        client.download()


def test_redirects_are_followed_and_still_resumed(client: Client) -> None:
    client.server.answers = [
        redirect(f"{client.server.url}/elsewhere"),
        content(BODY, breaks_at=HALF),
        redirect("/elsewhere"),
        content(BODY),
    ]
    client.download()
    assert client.final.read_bytes() == BODY
    assert client.server.paths == ["/weights.pth", "/elsewhere"] * 2
    assert client.server.ranges[-1] == f"bytes={HALF}-"


def test_redirects_never_leave_encryption_or_the_web(client: Client) -> None:
    secure = Request("https://example.com/weights.pth")
    with pytest.raises(DownloadError, match=r"redirects to http://.*, which is not encrypted"):
        _Redirects().redirect_request(
            secure, io.BytesIO(), 302, "Found", HTTPMessage(), "http://example.com/"
        )
    for target in ("ftp://127.0.0.1/x", "file:///etc/passwd"):
        client.server.answers = [redirect(target)]
        with pytest.raises(DownloadError, match=r"not encrypted|not allowed|302"):
            client.download()


def test_a_redirect_in_circles_ends(client: Client) -> None:
    client.server.answers = [redirect("/weights.pth")]
    with pytest.raises(DownloadError, match="302"):
        client.download()


def test_drives_question_is_answered(client: Client) -> None:
    question = (
        '<form id="download-form" action="/get" method="get">'
        '<input type="hidden" name="id" value="7"><input type="hidden" name="confirm" value="t">'
        "</form>"
    )
    client.server.answers = [page(question), content(BODY)]
    client.download()
    assert client.final.read_bytes() == BODY
    assert client.server.paths == ["/weights.pth", "/get?id=7&confirm=t"]


@pytest.mark.parametrize("html", ["<h1>Quota exceeded</h1>", '<form action="/login"></form>'])
def test_a_page_is_never_taken_for_weights(client: Client, html: str) -> None:
    client.server.answers = [page(html)]
    with pytest.raises(DownloadError, match="answers with a web page in place of a file"):
        client.download()
    assert left_behind(client) == []


def test_only_web_addresses_are_fetched(client: Client) -> None:
    with pytest.raises(DownloadError, match=r"file:///etc/hosts is no web address"):
        client.download("file:///etc/hosts")


def test_a_folder_that_cannot_be_made_is_named(client: Client) -> None:
    client.folder.parent.mkdir(exist_ok=True)
    client.folder.write_text("mine")
    with pytest.raises(DownloadError, match=r"cannot write to .*weights: File exists"):
        client.download()


def test_a_file_that_cannot_be_written_is_named(client: Client) -> None:
    client.server.answers = [content(BODY)]
    client.partial.mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"cannot write .*\.weights\.pth\.part: .*another --to"):
        client.download()
    assert client.waits == []
