"""A Postfix of the suite's own, as an agents' domain runs it: mail for the domain is its own, Guichet may relay.

What it would put into a mailbox, and what it would send on to other hosts, arrives at two relays of ours.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .children import Child, MissingService
from .smtp import Relay
from .waiting import LOOPBACK, free_port, port_answers, wait_for

DOMAIN = "ac-rouen.example"
DAEMONS = Path("/usr/lib/postfix/sbin")
# As Debian sets it up, but for where it listens and what it may reach: nothing outside loopback.
MAIN = """
compatibility_level = 3.6
maillog_file = /dev/stdout
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination = {domain}
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
recipient_delimiter = +
alias_maps =
alias_database =
local_recipient_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
mailbox_transport = smtp:[127.0.0.1]:{mailboxes}
default_transport = smtp:[127.0.0.1]:{elsewhere}
smtp_destination_recipient_limit = 1
smtp_connection_cache_on_demand = no
default_process_limit = 8
"""
MASTER = """
{listen} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """`mailboxes` takes what is for the domain, `elsewhere` what is sent on to any other."""

    def __init__(self, folder: Path) -> None:
        if not (DAEMONS / "master").exists():
            raise MissingService("Postfix is not installed: apt-get install postfix")
        if os.geteuid() != 0:
            raise MissingService("Postfix starts as root only: run these tests as root")
        self.folder = folder
        self.port = free_port()
        self.mailboxes, self.elsewhere = Relay(), Relay()
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """As GUICHET_SMTP_URL wants it."""
        return f"smtp://{LOOPBACK}:{self.port}?tls=none"

    def start(self) -> None:
        self.mailboxes.start()
        self.elsewhere.start()
        configuration = self.folder / "etc"
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)  # its daemons are not root
        shutil.chown(self.folder / "data", "postfix")
        main = MAIN.format(
            folder=self.folder,
            domain=DOMAIN,
            mailboxes=self.mailboxes.port,
            elsewhere=self.elsewhere.port,
        )
        (configuration / "main.cf").write_text(main)
        (configuration / "master.cf").write_text(
            MASTER.format(listen=f"{LOOPBACK}:{self.port}").lstrip()
        )
        self.child = Child(
            ["/usr/sbin/postfix", "-c", configuration, "start-fg"],
            log=self.folder / "postfix.log",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd=self.folder,
        )
        self.child.wait_until(lambda: port_answers(self.port), what="Postfix listens")

    def wait_for_deliveries(self, number: int) -> None:
        """Until this many mails in all have left the queue, one way or the other."""
        wait_for(
            lambda: len(self.mailboxes.deliveries) + len(self.elsewhere.deliveries) >= number,
            what=f"{number} mails out of Postfix's queue",
        )

    def forget(self) -> None:
        """What was delivered so far."""
        self.mailboxes.deliveries.clear()
        self.elsewhere.deliveries.clear()

    def stop(self) -> None:
        if self.child:
            self.child.stop()
        self.mailboxes.stop()
        self.elsewhere.stop()


@pytest.fixture(scope="session")
def _postfix_of_the_session() -> Iterator[Postfix]:
    # A short path: a socket's has 107 letters.
    with tempfile.TemporaryDirectory(prefix="postfix-") as folder:
        server = Postfix(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def postfix(_postfix_of_the_session) -> Postfix:
    """Running, with nothing delivered yet."""
    _postfix_of_the_session.forget()
    return _postfix_of_the_session
