"""One person in one browser, and what can be read on the pages they get."""

import re
from html import unescape
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.test import TestResponse

if TYPE_CHECKING:
    from .conftest import Site


class Visitor:
    """One person in one browser without JavaScript. Follows where a form leads, like a browser."""

    def __init__(self, app: Flask, language: str) -> None:
        self.client = app.test_client()
        self.headers = {"Accept-Language": language}
        self.at = "/"

    def get(self, path: str) -> TestResponse:
        answer = self.client.get(path, headers=self.headers)
        if answer.status_code in {302, 303}:
            return self.get(answer.location)
        self.at = path
        return answer

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
