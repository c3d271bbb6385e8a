"""A walk through every state a page can be in, in real browsers: at each one the test may look around."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, Route

from domain_rules.addresses import EmailAddress
from identity.accounts import sessions as people_sessions
from identity.accounts.sessions import BULK_INVITES
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.homeservers.room_actions import NoModule
from identity.invitations.models import Delivery, State
from identity.threepids import associations, pages as client_link, validation
from identity.threepids.validation import Wanted

from . import codes
from .bulk_inviters import HERS, LIST, ROOM
from .pages import PASSWORD, ZOE, Site
from .web_servers import carry_out

STILL = ["/", "/start", "/start?invited=1", "/my-server", "/help", "/accessibility", "/legal"]
STILL += ["/my-server?q=ac-rouen.example", "/my-server?q=ac-normandie.example"]
STILL += ["/my-server?q=asso.example", "/my-server?q=x", "/nowhere", "/v/cut", "/check/77"]
STILL += ["/dev/mail", "/my-domain", "/my-domain/cut"]
LONG = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.example"
# Something of all that the check may find, then more guests than one day and one page take.
MIXED = f"{LIST}{HERS}\n{LONG}\nana@ac-normandie.example\ncontact@ac-rouen.example\n"
UNSAID = f"{LONG};lea@maison.example\nbea@asso.example;bea@maison.example\n"
MANY = "".join(f"person{n}@asso.example\n" for n in range(120))


def closed(**_asked: object) -> None:
    """A homeserver that has no desk any more."""
    raise NoModule("none")


def without_refresh(route: Route) -> None:
    """The page as it is, but it stays while a test looks at it."""
    answer = route.fetch()
    kept = {name: value for name, value in answer.headers.items() if name != "refresh"}
    route.fulfill(response=answer, headers=kept)


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
        return self.press(page.locator("main form button").first)

    def press(self, what: Locator) -> Page:
        """Press what leads to another page, and be there."""
        with what.page.expect_navigation():
            what.click()
        return what.page

    def start(self, email: str) -> Page:
        self.go("/start")
        return self.send(email=email)

    def everywhere(self) -> Iterator[tuple[str, Page]]:
        """Every state by name, with the page that shows it."""
        for path in STILL:
            yield path, self.go(path)
        yield from self.lists()
        yield from self.domains()
        yield from self.waiting()
        yield from self.account()
        yield from self.clients()
        yield from self.invited()
        yield from self.unwanted()
        yield from self.ends()

    def lists(self) -> Iterator[tuple[str, Page]]:
        """An agent signs in, hands in a list, sends it, and reads what became of it."""
        site, services = self.site, self.site.services
        with services.database.transaction() as session:
            associations.bind(session, site.clock(), address=HERS, user_id=ZOE)
        yield "lists, sign-in", self.go("/lists")
        yield "lists, address at fault", self.send(email="zoe@")
        yield "lists, code", self.send(email=HERS)
        site.post()
        code = site.mailed_code(Purpose.LISTS, HERS)
        yield "lists, wrong code", self.send(code=codes.wrong(code))
        yield "lists, form", self.send(code=code)
        yield "lists, nothing filled in", self.send()
        yield "lists, text at fault", self.send(room=ROOM, text="Zoe\n")
        yield "list with a column to choose", self.send(room=ROOM, text=UNSAID)
        self.desk.select_option("#column", "1")
        yield "list with a column chosen", self.press(self.desk.locator("main form button").first)
        self.go("/lists")
        yield "list checked", self.send(room=ROOM, text=MIXED)
        yield "list under way", self.send()
        site.desk.invite = closed
        yield "list sent, with failures", self.carried_out()
        del site.desk.invite
        self.send()
        yield "list sent", self.carried_out()
        yield "lists, one of one's own", self.go("/lists")
        with services.database.transaction() as session:
            of_hers = {
                "purpose": BULK_INVITES,
                "user_id": ZOE,
                "address": HERS,
                "device": "Firefox",
            }
            people_sessions.open_session(session, site.clock(), **of_hers)
        yield "lists, signed in elsewhere too", self.go("/lists")
        yield "list of many", self.send(room=ROOM, text=MANY)
        self.send()
        yield "list of many, second page", self.press(self.desk.locator("a[rel=next]"))
        self.go("/lists")
        site.clock.advance(minutes=31)
        yield "lists, signed out meanwhile", self.send(room=ROOM, text=MIXED)
        self.desk.context.clear_cookies()
        yield "lists, form too old", self.send(room=ROOM, text=MIXED)

    def carried_out(self) -> Page:
        carry_out(self.site.services, Lane.BULK)
        self.desk.reload()
        return self.desk

    def domains(self) -> Iterator[tuple[str, Page]]:
        yield "address at fault", self.start("ana@")
        yield "typo", self.start("ana@ac-ruoen.example")
        yield "sibling", self.start("ana@ac-normandie.example")
        yield "shared", self.start("contact@ac-rouen.example")
        yield "not open, long", self.start(LONG)
        yield "check, long", self.press(self.desk.locator("button.second").first)

    def waiting(self) -> Iterator[tuple[str, Page]]:
        yield "check", self.start("camille.durand@ac-rouen.example")
        self.desk.locator("summary").click()
        yield "nothing received", self.desk
        yield "wrong code", self.send(code=self.site.wrong_code())
        yield "too soon", self.press(self.desk.locator("form[action*=resend] button"))
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
        self.press(self.desk.locator("main a.button"))
        self.site.server.away = True
        self.send(password=PASSWORD, password_again=PASSWORD)
        self.desk.route("**/progress", without_refresh)
        yield "account under way", self.go(f"/account/{self.site.newest().ordinal}/progress")
        yield "account under way, still", self.press(self.desk.locator("main a").last)
        yield "server away", self.made()
        self.site.server.away, self.site.server.holds_address = False, True
        self.press(self.desk.locator("main a.button"))
        self.send(password=PASSWORD, password_again=PASSWORD)
        yield "taken", self.made()
        self.site.server.holds_address = False
        self.go(f"/account/{self.site.newest().ordinal}")
        self.send(password=PASSWORD, password_again=PASSWORD)
        self.site.clock.advance(minutes=2)
        yield "password to be typed again", self.made()
        self.go(f"/account/{self.site.newest().ordinal}")
        self.send(password=PASSWORD, password_again=PASSWORD)
        yield "done", self.made()
        yield "link used", self.go(link)

    def made(self, page: Page | None = None) -> Page:
        """The worker does what waits, and the page asks again, as it would by itself a moment later."""
        page = page or self.desk
        carry_out(self.site.services, Lane.ACCOUNTS)
        page.goto(page.url.partition("?")[0])
        return page

    def clients(self) -> Iterator[tuple[str, Page]]:
        """What Matrix clients and homeservers cause."""
        now, services = self.site.clock(), self.site.services
        zoe = "@zoe:education.example"
        wanted = Wanted(EmailAddress.parse("zoe@ac-rouen.example"), "secret", 1, zoe, "Tchap", "fr")
        with services.database.transaction() as session:
            asked = validation.request_validation(session, services.vault, now, wanted)
        link = f"/v/{services.tokens.link(asked.id, 'client')}"
        self.site.post()
        code = self.site.mailed_code(Purpose.CLIENT, asked.sid)
        yield "client's link", self.go(link)
        yield "client's link, wrong code", self.send(code=codes.wrong(code))
        yield "client's link, done", self.send(code=code)
        yield "specification's link, failed", self.go(client_link.SUBMIT)
        self.site.clock.advance(days=30)
        yield "client's link, over", self.go(link)
        self.site.clock.time = now

    def invited(self) -> Iterator[tuple[str, Page]]:
        """From the mail of an invitation to the rooms."""
        site, now = self.site, self.site.clock()
        long = site.invited(address=f"gil@{'b' * 60}.example", facts={})
        yield "invited", self.go(site.mailed())
        self.desk.locator("summary").click()
        yield "not my address", self.desk
        yield "invitation, wrong code", self.send(code=site.wrong_code(long))
        site.invited(state=State.REVOKED)
        yield "invitation revoked", self.go(site.mailed())
        site.invited(state=State.DELIVERED, delivery=Delivery.DELIVERED)
        yield "invitation accepted", self.go(site.mailed())
        row = site.invited(facts={"room_name": "Cellule d’appui"})
        site.invited(room_id="!other:x", facts={})
        self.go(site.mailed(row), self.phone)
        self.send(self.phone, code=site.code(row))
        yield "guest's account", self.phone
        self.send(self.phone, password=PASSWORD, password_again=PASSWORD)
        yield "guest's done", self.made(self.phone)
        site.clock.advance(hours=24)
        yield "invitation, old code", self.go(site.mailed(long))
        yield "invitation, code mailed", self.send()
        resend = self.desk.locator("form:not(.stack) button.second")
        yield "invitation, too soon", self.press(resend)
        site.clock.advance(days=30)
        yield "invitation over", self.go(site.mailed(long))
        site.clock.time = now

    def unwanted(self) -> Iterator[tuple[str, Page]]:
        """An inviter nobody knows, and no more of these mails."""
        site, now = self.site, self.site.clock()
        row = site.invited(address="max@asso.example")
        unknown, no_more = (site.mailed(row, purpose) for purpose in ("not_me", "opt_out"))
        yield "unknown inviter", self.go(unknown)
        yield "unknown inviter, no code", self.send()
        yield "invitation cancelled", self.send(code=site.code(row))
        yield "invitation declined", self.go(site.mailed(row))
        self.go(unknown)
        yield "invitation restored", self.send(code=site.code(row))
        yield "no more", self.go(no_more)
        yield "no more, done", self.send(code=site.code(row))
        yield "no more, taken back", self.send(code=site.code(row))
        self.go(no_more)
        self.send(code=site.code(row))
        site.clock.advance(days=7)
        yield "no more, for good", self.go(no_more)
        site.clock.advance(days=30)
        yield "unknown inviter, over", self.go(unknown)
        site.clock.time = now

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
