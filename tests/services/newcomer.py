"""Somebody who follows the links of `make demo` in Chromium: Guichet's pages, the mailbox, Hydrogen."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from .person import PASSWORD, code_in
from .processes import ROOT
from .waiting import wait_for

PICTURES = ROOT / "artefacts/demo"
WRITING = ".MessageComposer textarea"


class Newcomer:
    """One browser of one person. Each picture is named after them."""

    def __init__(self, context: BrowserContext, facts: dict, name: str) -> None:
        self.guichet, self.messenger, self.name = facts["guichet"], facts["messenger"], name
        self.page: Page = context.new_page()
        self.refused: list[str] = []
        """What a page wanted and its content security policy does not allow."""
        self.page.on("console", self._hear)

    def take_picture(self, of: str) -> None:
        """Into artefacts/demo."""
        self.page.screenshot(path=PICTURES / f"{self.name}-{of}.png")

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.refused.append(message.text)

    # --- Guichet

    def sign_up(self, start: str, address: str) -> None:
        """From the first link of the screen to the last page, by the link of the mail."""
        self.page.goto(start)
        self.page.locator("[name=email]").fill(address)
        self._press("Continue")
        self.read_mail(address)
        self._follow("/v/")
        self._press("Confirm my address")
        self._make_account()

    def accept_invitation(self, address: str) -> None:
        """From the mail to the last page, by its link and its code."""
        code = code_in(self.read_mail(address))
        self._follow("/i/")
        self.take_picture("invitation")
        self.page.locator("[name=code]").fill(code)
        self._press("Continue")
        self._make_account()

    def read_mail(self, address: str) -> str:
        """Open the newest one to this address in the demo's mailbox; return its text."""
        mail = self.page.locator("main li", has_text=address).first

        def is_there() -> bool:
            self.page.goto(f"{self.guichet}/dev/mail")
            return mail.count() > 0

        wait_for(is_there, what=f"a mail to {address}")
        mail.get_by_role("link").click()
        self.take_picture("mail")
        return self.page.locator(".raw").inner_text()

    def open_messenger(self) -> str:
        """By the button of the last page; returns the user ID, which stands in its link."""
        button = self.page.locator(f"main a[href^='{self.messenger}']").first
        told = parse_qs(urlsplit(button.get_attribute("href")).query)
        button.click()
        return told["user"][0]

    def _make_account(self) -> None:
        self.page.locator("[name=display_name]").fill(self.name.title())
        for field in ("password", "password_again"):
            self.page.locator(f"[name={field}]").fill(PASSWORD)
        self._press("Create my account")
        expect(self.page.locator(f"main a[href^='{self.messenger}']").first).to_be_visible()
        self.take_picture("ready")

    def _follow(self, kind: str) -> None:
        self.page.locator(f".raw a[href*='{kind}']").first.click()

    def _press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()

    # --- Hydrogen

    def sign_in(self, user_id: str, password: str = PASSWORD) -> None:
        """Who signs in, and where, stands in the form already; only the password is typed."""
        expect(self.page.locator("#username")).to_have_value(user_id)
        self.take_picture("signs-in")
        self.page.locator("#password").fill(password)
        self._press("Log In")

    def accept(self) -> str:
        """The invitation that is open; returns the ID of the room."""
        self._press("Accept")
        expect(self.page.locator(WRITING)).to_be_visible()
        return self.page.url.rpartition("/room/")[2]

    def make_room(self, name: str) -> None:
        """Hydrogen may miss that its room is there: then a person chooses it on the left."""
        self.page.get_by_role("button", name="Create room").click()
        self.page.locator(".menu").get_by_text("Create Room").click()
        self.page.locator("#name").fill(name)
        self.page.locator("main").get_by_role("button", name="Create room").click()
        room = self.page.locator(".RoomList").get_by_text(name, exact=True)

        def is_open() -> bool:
            room.click()
            return self.page.locator(WRITING).is_visible()

        wait_for(is_open, what="the room is open")

    def write(self, text: str) -> None:
        """In the room that is open; it is there once the homeserver has it."""
        self.page.locator(WRITING).fill(text)
        self.page.locator(WRITING).press("Enter")
        sent = self.page.locator(".Timeline_message:not(.unsent)", has_text=text)
        expect(sent).to_be_visible()
        expect(self.page.get_by_text("Loading more messages")).to_have_count(0)
        self.take_picture("writes")

    def saves_what_it_sends(self, name: str, content: bytes) -> bool:
        """Send a file into the room that is open, and save it from there."""
        self.page.locator(".sendFile").click()
        with self.page.expect_file_chooser() as choosing:
            self.page.locator(".menu").get_by_text("Send file").click()
        choosing.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})
        sent = self.page.locator(".Timeline_message:not(.unsent)", has_text=name)
        with self.page.expect_download() as saving:
            sent.get_by_text("Download").click()
        return saving.value.path().read_bytes() == content
