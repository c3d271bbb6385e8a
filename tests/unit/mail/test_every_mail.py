"""What holds for every mail in every language, judged on the bytes that leave."""

import email
import email.policy
import quopri
import re
from html.parser import HTMLParser

import pytest

from tests.worlds.mails import *
from tests.worlds.mails import LONG, html_of, text_of

pytestmark = pytest.mark.slow  # each of them is quick, and there are more than a thousand

LANGUAGES = pytest.mark.parametrize("language", ["fr", "en", None])
LINK = re.compile(r"https://guichet\.example/v/[\w.-]+")
HEADINGS = re.compile(r"<h[1-6]")


class Page(HTMLParser):
    """The tags of a mail, their attributes, and whether they were closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@LANGUAGES
def test_headers_are_the_ones_mail_servers_look_for(write, language):
    message = write(language=language)
    assert message["From"] == "Guichet <bonjour@mail.example>"
    assert message["To"] == "camille.durand@ac-rouen.example"
    assert message["Reply-To"] == "Assistance <aide@mail.example>"
    assert message["Date"] == "Sun, 14 Mar 2027 15:30:00 +0000"
    assert message["Message-ID"] == "<6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11@mail.example>"
    assert message["Content-Language"] == (language or "fr, en")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert re.fullmatch(r"[a-z_]+; version=\d+", message["X-Guichet-Template"])
    assert {"precedence", "x-priority"}.isdisjoint(name.lower() for name in message)


@LANGUAGES
def test_only_invitations_can_be_ended_by_a_mail_program_on_one_line(write, language):
    message = write(language=language)
    raw = message.as_bytes().partition(b"\r\n\r\n")[0].decode().split("\r\n")
    link, how = message["List-Unsubscribe"], message["List-Unsubscribe-Post"]
    if not re.match("invite|reminder", message["X-Guichet-Template"]):
        assert (link, how) == (None, None)
        return
    assert how == "List-Unsubscribe=One-Click"
    assert f"List-Unsubscribe: {link}" in raw
    assert re.fullmatch(r"<https://guichet\.example/d/[\w.-]{50,}>", link)
    assert f"\n\n{link[1:-1]}\n\n" in text_of(message)


@LANGUAGES
def test_text_comes_first_then_html_both_quoted_printable(write, language):
    message = email.message_from_bytes(write(language=language).as_bytes())
    assert message.get_content_type() == "multipart/alternative"
    parts = message.get_payload()
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in parts} == {"quoted-printable"}
    assert {part.get_content_charset() for part in parts} == {"utf-8"}


@LANGUAGES
@pytest.mark.parametrize("facts", [{}, LONG], ids=["usual", "long"])
def test_lines_and_sizes_stay_within_what_servers_take(write, language, facts):
    message = write(language=language, **facts)
    raw = message.as_bytes()
    lines = raw.split(b"\r\n")
    assert not [line for line in lines if b"\n" in line or b"\r" in line]
    assert max(map(len, lines)) <= 998
    body = raw.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert max(map(len, body)) <= 76
    assert len(html_of(message).encode()) <= 30_000
    assert len(raw) <= 100_000
    assert raw.isascii()
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["Subject"] == message["Subject"]
    unfolded = raw.replace(b"\r\n ", b" ")
    for name in ("From", "To", "Message-ID"):
        assert f"\r\n{name}: {message[name]}\r\n".encode() in b"\r\n" + unfolded


@LANGUAGES
def test_the_link_is_the_same_everywhere_in_the_mail(write, language):
    message = write(language=language)
    in_text, in_html = LINK.findall(text_of(message)), LINK.findall(html_of(message))
    in_raw = LINK.findall(quopri.decodestring(message.as_bytes()).decode())
    times = 2 if language is None else 1
    assert len(set(in_text + in_html + in_raw)) <= 1
    assert len(in_html) == 2 * len(in_text)  # the button, and in full
    assert len(in_text) in {0, times}
    if in_text:
        assert in_text[0].encode() in message.as_bytes()  # no line broken inside it


@LANGUAGES
def test_a_link_of_the_text_part_stands_alone_on_its_line(write, language):
    lines = text_of(write(language=language)).split("\n")
    links = [number for number, line in enumerate(lines) if "://" in line]
    assert links
    for number in links:
        assert re.fullmatch(r"https://[^\s]*[\w/]", lines[number])
        assert lines[number - 1] == ""
        assert lines[number + 1] == ""


@LANGUAGES
def test_the_text_part_is_for_reading(write, language):
    text = text_of(write(language=language))
    assert "\n\n\n" not in text
    assert "<" not in text
    lines = [line for line in text.split("\n") if not line.startswith("https://")]
    assert "&" not in "".join(lines)
    assert not [line for line in lines if len(line) > 76]
    for body in text.split("* * *"):
        # Besides links, and what names the other browsers that wait, a line each.
        said = [line for line in body.split("\n") if not line.startswith(("- ", "http"))]
        assert len(" ".join(said).split()) <= 120


@LANGUAGES
def test_nothing_is_left_blank_or_undefined(write, language):
    message = write(language=language)
    for words in (message["Subject"], text_of(message), html_of(message)):
        assert not re.search(r"undefined|None|\{\{|\}\}|\{%|mail\.[a-z]", words)


def test_french_typography_and_nobody_shouts(write):
    for language in ("fr", "en"):
        message = write(language=language)
        text = re.sub(r"^https://\S+$", "", text_of(message), flags=re.MULTILINE)
        for words in (message["Subject"], text):
            assert "!" not in words
            if language == "fr":
                assert not re.search(r"(?<!\u00a0)[;?»]|« |(?<!\u00a0):(?=\s)", words)
                assert "'" not in words


@LANGUAGES
def test_html_says_what_it_is_to_programs_that_read_aloud(write, language):
    message = write(language=language)
    html = html_of(message)
    page = Page(html)
    assert page.open == []
    assert page.all("html") == [{"lang": language or "fr"}]
    title = re.search("<title>(.*)</title>", html)
    assert title[1] == message["Subject"]
    assert all(table["role"] == "presentation" for table in page.all("table"))
    assert len(page.all("h1")) == 1
    assert HEADINGS.findall(html) == (["<h1", "<h2"] if language is None else ["<h1"])
    assert [div["lang"] for div in page.all("div") if "lang" in div] == (
        ["fr", "en"] if language is None else [language]
    )
    metas = {meta["name"] for meta in page.all("meta") if "name" in meta}
    assert {"color-scheme", "supported-color-schemes", "viewport"} <= metas
    assert "prefers-color-scheme: dark" in html
    assert all(link["href"].startswith("https://") for link in page.all("a"))


def test_html_needs_nothing_from_outside(write):
    html = html_of(write())
    assert not re.search(
        r"<(img|script|link|iframe|form|svg|object)|url\(|@import|@font-face", html
    )
    assert {int(size) for size in re.findall(r"font-size: ?(\d+)px", html)} >= {16, 17}
    assert not [size for size in re.findall(r"font-size: ?(\d+)px", html) if int(size) < 16]


@LANGUAGES
def test_both_parts_hold_the_same_links(write, language):
    message = write(language=language)
    in_text = set(re.findall(r"https://\S+", text_of(message)))
    hrefs = {link["href"] for link in Page(html_of(message)).all("a")}
    assert hrefs <= in_text
    assert in_text - hrefs <= {"https://guichet.example"}


@LANGUAGES
def test_help_is_offered_by_the_operators_address(write, language):
    ours = write(language=language, support_url=None)
    assert "https://guichet.example/help" in text_of(ours)
    theirs = write(language=language, support_url="mailto:aide%2Bg@mail.example")
    assert "\naide+g@mail.example\n" in text_of(theirs)
    assert 'href="mailto:aide%2Bg@mail.example"' in html_of(theirs)


def test_the_same_facts_give_the_same_bytes(write):
    assert write().as_bytes() == write().as_bytes()


def test_subjects_fit_in_a_list_of_mails(write):
    for language in ("fr", "en"):
        assert len(write(language=language)["Subject"]) <= 60


def test_the_sender_without_a_name_carries_the_services(write):
    message = write(sender="bonjour@mail.example", service="Tchap, le service")
    assert message["From"] == '"Tchap, le service" <bonjour@mail.example>'
