"""A walk through every state a page can be in, in real browsers: at each one the test may look around."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from playwright.sync_api import Page

from domain_rules.addresses import EmailAddress
from identity.pages import client_link
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.use_cases import validation
from identity.use_cases.validation import Wanted

from .conftest import PASSWORD, Site

STILL = ["/", "/start", "/start?invited=1", "/my-server", "/help", "/accessibility", "/legal"]
STILL += ["/my-server?q=ac-rouen.example", "/my-server?q=ac-normandie.example"]
STILL += ["/my-server?q=asso.example", "/my-server?q=x", "/nowhere", "/v/cut", "/check/77"]
STILL += ["/dev/mail"]
LONG = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.example"


@dataclass
class Walk:
    """Ana at her desk, and a browser that never asked for anything."""

    site: Site
    url: str
    desk: Page
    phone: Page
    language: str = "fr"
    name: str = field(default="")

    def go(self, path: str, page: Page | None = None) -> Page:
        (page or self.desk).goto(self.url + path)
        return page or self.desk

    def send(self, page: Page | None = None, **fields: str) -> Page:
        page = page or self.desk
        for name, value in fields.items():
            page.fill(f"#{name}", value)
        page.locator("main form button").first.click()
        return page

    def start(self, email: str) -> Page:
        self.go("/start")
        return self.send(email=email)

    def everywhere(self) -> Iterator[tuple[str, Page]]:
        """Every state by name, with the page that shows it."""
        for path in STILL:
            yield path, self.go(path)
        yield from self.domains()
        yield from self.waiting()
        yield from self.account()
        yield from self.clients()
        yield from self.ends()

    def domains(self) -> Iterator[tuple[str, Page]]:
        yield "address at fault", self.start("ana@")
        yield "typo", self.start("ana@ac-ruoen.example")
        yield "sibling", self.start("ana@ac-normandie.example")
        yield "shared", self.start("contact@ac-rouen.example")
        yield "not open, long", self.start(LONG)
        self.desk.locator("button.second").click()
        yield "check, long", self.desk

    def waiting(self) -> Iterator[tuple[str, Page]]:
        yield "check", self.start("camille.durand@ac-rouen.example")
        self.desk.locator("summary").click()
        yield "nothing received", self.desk
        yield "wrong code", self.send(code=self.site.wrong_code())
        self.desk.locator("form[action*=resend] button").click()
        yield "too soon", self.desk
        link, refuse = self.site.link(), self.site.link(purpose="not_me")
        yield "link here", self.go(link)
        yield "link there", self.go(link, self.phone)
        yield "no code", self.send(self.phone)
        yield "wrong code there", self.send(self.phone, code=self.site.wrong_code())
        yield "not me here", self.go(refuse)
        yield "not me there", self.go(refuse, self.phone)
        self.go(refuse)
        yield "not me done", self.send()
        yield "undo there", self.go(refuse, self.phone)
        yield "cancelled", self.go(f"/check/{self.site.newest().ordinal}")
        yield "link cancelled", self.go(link)
        self.go(refuse)
        yield "restored", self.send()

    def account(self) -> Iterator[tuple[str, Page]]:
        link = self.site.link()
        self.go(link)
        yield "account", self.send()
        yield "weak password", self.send(password="x", password_again="x")
        yield "link confirmed", self.go(link)
        self.desk.locator("main a.button").click()
        self.site.server.away = True
        yield "server away", self.send(password=PASSWORD, password_again=PASSWORD)
        self.site.server.away, self.site.server.holds_address = False, True
        self.desk.locator("main a.button").click()
        yield "taken", self.send(password=PASSWORD, password_again=PASSWORD)
        self.site.server.holds_address = False
        self.go(f"/account/{self.site.newest().ordinal}")
        yield "done", self.send(password=PASSWORD, password_again=PASSWORD)
        yield "link used", self.go(link)

    def clients(self) -> Iterator[tuple[str, Page]]:
        """What Matrix clients and homeservers cause."""
        now, wiring = self.site.clock(), self.site.wiring
        zoe = "@zoe:education.example"
        wanted = Wanted(EmailAddress.parse("zoe@ac-rouen.example"), "secret", 1, zoe, "Tchap", "fr")
        invitation = ThirdPartyInvitation(
            address=f"gil@{'b' * 60}.example",
            room_id="!r:x",
            sender=zoe,
            token="t",
            public_key="k",
            sealed_key="",
            signing_key_id="ed25519:0",
            facts={},
            for_guest=True,
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
        with wiring.database.transaction() as session:
            asked = validation.request(session, wiring.vault, now, wanted)
            session.add(invitation)
        link = f"/v/{wiring.tokens.link(asked.id, 'client')}"
        code = wiring.tokens.code(asked.id, 1)
        yield "client's link", self.go(link)
        yield "client's link, wrong code", self.send(code=f"{(int(code) + 1) % 10**6:06d}")
        yield "client's link, done", self.send(code=code)
        yield "specification's link, failed", self.go(client_link.SUBMIT)
        invited = f"/i/{wiring.tokens.link(invitation.id, 'invitation')}"
        yield "invited", self.go(invited)
        self.site.clock.advance(days=30)
        yield "invitation over", self.go(invited)
        yield "client's link, over", self.go(link)
        self.site.clock.time = now

    def ends(self) -> Iterator[tuple[str, Page]]:
        self.start("jean@interieur.example")
        self.go(self.site.link())
        yield "account elsewhere", self.send()
        self.start("late@ac-rouen.example")
        self.site.clock.advance(hours=25)
        yield "request expired", self.go(f"/check/{self.site.newest().ordinal}")
        yield "link expired", self.go(self.site.link())
        yield "not me over", self.go(self.site.link(purpose="not_me"))
        self.go("/start")
        self.desk.context.clear_cookies()
        yield "form too old", self.send(email="camille@ac-rouen.example")
