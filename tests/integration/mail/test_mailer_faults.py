"""Mail servers that hang, drip, hang up or lie: every try ends in time, and says what is known."""

import base64
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from identity.mail.outcomes import NotSent, Outcome
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import Relay, Tls
from tests.services.hostile_peer import HostilePeer
from tests.services.waiting import free_port, wait_for

from .test_mailer_relay import FROM, TO, letter

LOOPBACK = "127.0.0.1"
HANG_UP = "hang up"
USUAL = {
    "greeting": "220 ready",
    "EHLO": "250-here\r\n250-AUTH PLAIN\r\n250 SIZE",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued",
}


class Server:
    """Answers each command as told; several answers are for one connection after the other."""

    def __init__(self, pause: float) -> None:
        self.answers: dict[str, str | list[str]] = {}
        self.heard: list[list[str]] = []  # by connection
        self.pause = pause  # between two bytes of what is said
        self._ends = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.heard.append([])
                with connection, connection.makefile("rb") as lines, suppress(OSError):
                    self._talk(connection, lines)

    def _talk(self, connection: socket.socket, lines) -> None:
        if not self._say(connection, "greeting"):
            return
        for line in lines:
            command = line.decode("latin-1").strip()  # a TLS hello may be among them
            self.heard[-1].append(command)
            verb = command.split(" ")[0].upper()
            if not self._say(connection, verb):
                return
            if verb == "DATA":
                while next(lines).strip() != b".":
                    pass
                self.heard[-1].append(".")
                if not self._say(connection, "."):
                    return

    def _say(self, connection: socket.socket, to: str) -> bool:
        said = self.answers.get(to, USUAL.get(to, "250 ok"))
        if isinstance(said, list):
            said = said[min(len(self.heard), len(said)) - 1]
        said, _, after = said.partition("|")
        if after == "and no more":
            self._stall(connection, said)
            return False
        if said == HANG_UP:
            return False
        for start in range(0, len(said) + 2, 1 if self.pause else 1 << 20):
            step = 1 if self.pause else 1 << 20
            connection.sendall(f"{said}\r\n".encode()[start : start + step])
            time.sleep(self.pause)
        return after != HANG_UP

    def _stall(self, connection: socket.socket, said: str) -> None:
        """Say it, and read nothing more until the test ends."""
        connection.sendall(f"{said}\r\n".encode())
        self._ends.wait()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(pause: float = 0.0, **answers) -> Server:
        made.append(Server(pause))
        made[-1].answers.update(answers)
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def mailer_to():
    made = []

    # Whoever waits for the end of a time gives it; all others have an answer at once, on a busy machine in a while.
    def make(port: int, *, timeout: float = 60.0, command: float = 40.0, **relay) -> SmtpMailer:
        facts = {"host": LOOPBACK, "port": port, "tls": Tls.NONE, "timeout": timeout}
        made.append(SmtpMailer(Relay(**(facts | relay)), command_timeout=command))
        return made[-1]

    yield make
    for mailer in made:
        mailer.close()


def failed(mailer) -> NotSent:
    with pytest.raises(NotSent) as failure:
        mailer.send(letter(), envelope_from=FROM, to=TO)
    return failure.value


def test_nobody_listens(server, mailer_to):
    failure = failed(mailer_to(free_port()))
    assert failure.outcome is Outcome.RELAY_DOWN
    assert failure.reply == "Connection refused"


def test_a_server_that_never_greets(silent_smtp, mailer_to):
    failure = failed(mailer_to(silent_smtp.port, command=0.3))
    assert failure.outcome is Outcome.RELAY_DOWN


def test_one_that_says_a_byte_at_a_time_is_left_at_the_deadline(server, mailer_to):
    slow = server(pause=0.1, greeting="220 " + "so slow " * 10)
    before = {*threading.enumerate()}
    failure = failed(mailer_to(slow.port, timeout=0.6, command=10))
    assert failure.outcome is Outcome.RELAY_DOWN
    wait_for(lambda: {*threading.enumerate()} <= before, what="no thread is left")


def test_a_byte_at_a_time_does_not_stretch_the_time_of_one_reply(server, mailer_to):
    slow = server(pause=0.1, greeting="220 " + "so slow " * 10)
    failure = failed(mailer_to(slow.port, timeout=10, command=0.5))
    assert failure.outcome is Outcome.RELAY_DOWN


def test_one_that_talks_without_end(server, mailer_to):
    chatty = server(EHLO="250-" + "on and on " * 50_000)
    failure = failed(mailer_to(chatty.port))
    assert failure.outcome is Outcome.RELAY_DOWN


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
def test_one_that_hangs_up_before_the_mail_has_nothing_of_it(server, mailer_to, verb):
    rude = server(**{verb: HANG_UP, "HELO": HANG_UP})
    assert failed(mailer_to(rude.port)).outcome is Outcome.RELAY_DOWN


def test_one_that_hangs_up_after_the_mail_may_have_taken_it(server, mailer_to):
    for answers in ({".": HANG_UP}, {"DATA": f"354 go on|{HANG_UP}"}):
        rude = server(**answers)
        assert failed(mailer_to(rude.port)).outcome is Outcome.UNKNOWN


def test_one_that_stalls_after_the_mail_may_have_taken_it(smtp_server, mailer_to):
    smtp_server.delay_after_data = 30.0
    failure = failed(mailer_to(smtp_server.port, timeout=4.0, command=3.0))
    assert failure.outcome is Outcome.UNKNOWN


def test_the_last_reply_may_take_longer_than_a_command(smtp_server, mailer_to):
    smtp_server.delay_after_data = 3.0
    mailer_to(smtp_server.port, command=2.0).send(letter(), envelope_from=FROM, to=TO)
    assert len(smtp_server.deliveries) == 1


def test_what_was_taken_before_the_line_went_dead_is_there_once(smtp_server, mailer_to):
    smtp_server.drops_after_data = True
    assert failed(mailer_to(smtp_server.port)).outcome is Outcome.UNKNOWN
    assert len(smtp_server.deliveries) == 1


@pytest.mark.parametrize("verb", ["RSET", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("how", [HANG_UP, f"421 4.4.2 idle too long|{HANG_UP}"])
def test_a_kept_connection_that_went_stale_is_replaced_at_once(server, mailer_to, verb, how):
    relay = server()
    mailer = mailer_to(relay.port)
    mailer.send(letter(), envelope_from=FROM, to=TO)
    relay.answers[verb] = [how, USUAL.get(verb, "250 ok")]
    assert mailer.send(letter(), envelope_from=FROM, to=TO) == "250 2.0.0 queued"
    assert [heard.count(".") for heard in relay.heard] == [1, 1]


def test_a_fresh_connection_is_not_tried_twice(server, mailer_to):
    rude = server(RCPT=HANG_UP)
    failed(mailer_to(rude.port))
    assert len(rude.heard) == 1


def test_after_a_loss_of_a_kept_connection_the_mail_is_not_sent_again(server, mailer_to):
    relay = server()
    mailer = mailer_to(relay.port)
    mailer.send(letter(), envelope_from=FROM, to=TO)
    relay.answers["."] = HANG_UP
    assert failed(mailer).outcome is Outcome.UNKNOWN
    assert len(relay.heard) == 1


@pytest.mark.parametrize(
    ("greeting", "outcome"),
    [
        ("421 4.7.0 too many connections", Outcome.THROTTLE),
        ("421 4.3.2 closing", Outcome.RELAY_DOWN),
        ("554 5.7.1 no service for you", Outcome.RELAY_DOWN),
    ],
)
def test_an_unfriendly_greeting_is_about_the_relay(server, mailer_to, greeting, outcome):
    assert failed(mailer_to(server(greeting=greeting).port)).outcome is outcome


def test_the_login_is_said_as_it_was_given(server, mailer_to):
    relay = server(AUTH="235 welcome")
    mailer = mailer_to(relay.port, user="gui@chet", password="p:q/r")
    mailer.send(letter(), envelope_from=FROM, to=TO)
    login = next(line for line in relay.heard[0] if line.startswith("AUTH PLAIN "))
    assert base64.b64decode(login.split()[2]) == b"\0gui@chet\0p:q/r"


def test_a_refused_login_is_about_the_relay_and_does_not_show_the_password(server, mailer_to):
    relay = server(AUTH="535 5.7.8 wrong")
    for password in ("hush-hush", "hush-é"):
        failure = failed(mailer_to(relay.port, user="guichet", password=password))
        assert failure.outcome is Outcome.RELAY_DOWN
        assert "hush" not in str(failure)
        assert not [line for line in relay.heard[-1] if line.startswith("MAIL")]


def test_what_is_said_before_tls_begins_counts_for_nothing(server, mailer_to):
    injected = server(
        EHLO="250-here\r\n250 STARTTLS", STARTTLS="220 go\r\n250-here\r\n250 AUTH PLAIN"
    )
    failure = failed(mailer_to(injected.port, tls=Tls.STARTTLS, timeout=3.0, command=1.0))
    assert failure.outcome is Outcome.RELAY_DOWN
    assert not [line for line in injected.heard[0] if line.startswith("MAIL")]


def test_starttls_that_is_refused_or_stalls_gets_no_mail(server, mailer_to):
    for answer in ("454 4.7.0 not now", "220 go, and then nothing"):
        relay = server(EHLO="250-here\r\n250 STARTTLS", STARTTLS=answer)
        failure = failed(mailer_to(relay.port, tls=Tls.STARTTLS, command=0.4))
        assert failure.outcome is Outcome.RELAY_DOWN
        assert not [line for line in relay.heard[0] if line.startswith("MAIL")]


LONG = 25.0  # seconds that no mail with a second's time can take, however busy this machine is


def test_a_reply_to_the_mail_that_never_ends_is_left_at_the_deadline(server, mailer_to):
    slow = server(pause=0.005, **{".": "250-" + "on and on " * 2_000})
    begun = time.monotonic()
    failure = failed(mailer_to(slow.port, timeout=4, command=10))
    assert failure.outcome is Outcome.UNKNOWN
    assert time.monotonic() - begun < LONG


@pytest.mark.parametrize("tls", [Tls.TLS, Tls.NONE])
@pytest.mark.parametrize("pause", [0.05, 0.0])
def test_a_relay_that_never_comes_to_an_end_is_left_at_the_deadline(mailer_to, tls, pause):
    """Records of a TLS handshake that goes on and on, or lines of a greeting."""
    said = b"\x16\x03\x03\x40\x00" + b"\x02" * 9 if tls is Tls.TLS else b"220-\r\n"
    peer = HostilePeer(lambda: itertools.repeat(said), pause=pause, says_first=tls is Tls.NONE)
    begun = time.monotonic()
    failure = failed(mailer_to(peer.port, timeout=1, command=10, tls=tls))
    assert failure.outcome is Outcome.RELAY_DOWN
    assert time.monotonic() - begun < LONG
    wait_for(lambda: not peer.open, what="the connection is closed")
    peer.close()


def test_a_relay_that_stops_taking_the_mail_is_left_at_the_deadline(server, mailer_to):
    """Before the last dot: nothing was handed over."""
    deaf = server(DATA="354 go on|and no more")
    begun = time.monotonic()
    mailer = mailer_to(deaf.port, timeout=1, command=10)
    message = letter()
    next(iter(message.iter_parts())).set_content(f"{'Bonjour. ' * 7}\n" * 100_000)
    with pytest.raises(NotSent) as failure:
        mailer.send(message, envelope_from=FROM, to=TO)
    assert failure.value.outcome is Outcome.RELAY_DOWN
    assert time.monotonic() - begun < LONG


def test_a_connection_that_is_held_open_is_not_cut_at_the_deadline_of_its_last_mail(
    smtp_server, mailer_to
):
    mailer = mailer_to(smtp_server.port)
    mailer.send(letter(), envelope_from=FROM, to=TO)
    held = mailer._session
    assert held.watchdog._ends_at is None  # nothing will cut it off
    mailer.send(letter(), envelope_from=FROM, to=TO)
    assert mailer._session is held
    assert len(smtp_server.deliveries) == 2
