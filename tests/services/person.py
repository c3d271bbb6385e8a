"""A person with a browser without JavaScript: reads pages, fills in forms, presses buttons."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import requests

from .waiting import wait_for

# Alone on its line: a user ID or a link can have six digits in a row as well.
CODE = re.compile(r"^(\d{4} \d{4}(?: \d{4})?)\r?$", re.MULTILINE)
PASSWORD = "correct horse battery staple"


class Forms(HTMLParser):
    """The forms of a page: action, and the fields as they stand."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form" and given.get("method", "get").lower() == "post":
            self.found.append((given.get("action") or "", {}))
        elif tag == "input" and self.found and given.get("name"):
            self.found[-1][1][given["name"]] = given.get("value") or ""


class Person:
    """One browser of one person."""

    def __init__(
        self, url: str, language: str = "fr", session: requests.Session | None = None
    ) -> None:
        self.url, self.session = url, session or requests.Session()
        self.session.headers["Accept-Language"] = language
        self.page: requests.Response = self.open("/start")

    def open(self, path: str) -> requests.Response:
        address = path if path.startswith("http") else self.url + path
        self.page = self.session.get(address, timeout=60)
        return self.page

    def send(
        self,
        action: str | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        **fields: str,
    ) -> requests.Response:
        """Fill in and send the form whose action ends like this, or the first. `files`: name and content."""
        forms = Forms(self.page.text).found
        path, given = next(
            f for f in forms if action is None or f[0].split("?")[0].endswith(action)
        )
        address = self.url + path if path.startswith("/") else path or self.page.url
        self.page = self.session.post(address, data=given | fields, files=files, timeout=60)
        return self.page

    def ask(self, address: str) -> requests.Response:
        self.open("/start")
        return self.send("/start", email=address)

    def type_code(self, code: str) -> requests.Response:
        return self.send(code=code)

    def choose(self, password: str = PASSWORD) -> requests.Response:
        fields = {"password": password}
        if 'name="password_again"' in self.page.text:
            fields["password_again"] = password
        self.send(**fields)
        return self.wait_until_made()

    def wait_until_made(self) -> requests.Response:
        """The page after those that ask for themselves again."""
        wait_for(lambda: not self._waits(), what="the end of the account's making", within=240)
        return self.page

    def _waits(self) -> bool:
        """Whether the page asks for itself again, also after it did so once more."""
        if "Refresh" in self.page.headers:
            self.open(self.page.url)
        return "Refresh" in self.page.headers


def code_in(text: str) -> str:
    """The code of a mail's text part."""
    return CODE.findall(text)[0]


def link_in(text: str, kind: str = "v") -> str:
    """The link of a mail's text part."""
    return re.findall(rf"https?://\S+/{kind}/\S+", text)[0]


def plain(message) -> str:
    """The text part."""
    return message.get_body(("plain",)).get_content()
