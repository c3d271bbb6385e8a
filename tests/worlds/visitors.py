"""One person in one browser, and what can be read on the pages they get."""

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from flask import Flask
from werkzeug.test import TestResponse

from identity.core.outbox import Lane
from identity.services import WorkerServices

from .web_servers import carry_out

if TYPE_CHECKING:
    from .pages import Site


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


class Visitor:
    """One person in one browser without JavaScript. Follows where a form leads, like a browser.

    `services`: the worker's, which makes the account somebody waits for.
    """

    def __init__(self, app: Flask, language: str, services: WorkerServices | None = None) -> None:
        self.services = services
        self.client = app.test_client()
        self.headers = {"Accept-Language": language}
        self.at = "/"

    def get(self, path: str) -> TestResponse:
        answer = self.client.get(path, headers=self.headers)
        if answer.status_code in {302, 303}:
            return self.get(answer.location)
        self.at = path
        if "Refresh" in answer.headers and self.services is not None:
            carry_out(self.services, Lane.ACCOUNTS)
            return self.get(path)
        return answer

    def get_as_written(self, path: str, **headers: str) -> TestResponse:
        """As `get`, of a path that the test client would take for an address or tidy up."""
        raw = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1")}
        answer = self.client.get("/", headers={**self.headers, **headers}, environ_overrides=raw)
        return self.get(answer.location) if answer.status_code in {302, 303} else answer

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form; the answer as it is, redirects not followed."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/start").text)[1]
        return self.client.post(path, data={"csrf_token": token, **fields}, headers=self.headers)

    def post(self, path: str, **fields: str) -> TestResponse:
        answer = self.send(path, **fields)
        return self.get(answer.location) if answer.status_code == 303 else answer

    def start(self, email="camille.durand@ac-rouen.example", **fields: str) -> TestResponse:
        return self.post("/start", email=email, **fields)

    def confirm(self, site: "Site", **kind: str) -> TestResponse:
        self.start(**kind)
        return self.post(f"/check/{site.newest().ordinal}", code=site.code())


def heading(answer: TestResponse) -> str:
    return unescape(re.search(r"<h1>(.*?)</h1>", answer.text)[1]).replace("\u00a0", " ")


def title(answer: TestResponse) -> str:
    return unescape(re.search(r"<title>(.*?)</title>", answer.text)[1])


def words(answer: TestResponse) -> str:
    """What can be read on a page, in one line."""
    body = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(
        unescape(re.sub(r"<[^>]*>", " ", f"<main{body}")).replace("\u00a0", " ").split()
    )
