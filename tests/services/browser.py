"""Debian's Chromium, driven by Playwright, talking to nobody but us."""

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from .children import MissingService

ARGUMENTS = (
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
MILLISECONDS = 60_000  # until something that is waited for never comes: machines of tests are busy


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for a file. As long as it is there an event loop runs, and nobody else can run one."""
    executable = shutil.which("chromium")
    if executable is None:
        raise MissingService("Chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def browser_contexts(chromium) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers of their own: each has its own cookies. Takes what `Browser.new_context` takes."""
    made: list[BrowserContext] = []

    def open_one(**kind) -> BrowserContext:
        context = chromium.new_context(**kind)
        context.set_default_timeout(MILLISECONDS)
        made.append(context)
        return context

    yield open_one
    for context in made:
        context.close()


@pytest.fixture(scope="session")
def axe_script() -> str:
    """axe-core, to be evaluated in a page: `page.evaluate(axe_script)`, then `axe.run()`."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
