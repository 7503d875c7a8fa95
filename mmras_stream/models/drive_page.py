"""Google Drive's question before it hands out a large file."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin


class _Form(HTMLParser):
    """Keeps where the page's download form leads and what it would send."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("id") == "download-form":
            self.action = values.get("action")
        elif tag == "input" and values.get("type") == "hidden" and self.action is not None:
            self.fields[values.get("name", "")] = values.get("value", "")


def confirmed_url(page: str, address: str) -> str | None:
    """Return where the page's "download anyway" leads, None where it is another page.

    Args:
        page: HTML.
        address: Of the page.

    >>> confirmed_url('<form id="download-form" action="/get">'
    ...               '<input type="hidden" name="id" value="7"></form>', "https://drive.test/uc")
    'https://drive.test/get?id=7'
    """
    form = _Form()
    form.feed(page)
    if form.action is None:
        return None
    return f"{urljoin(address, form.action)}?{urlencode(form.fields)}"
