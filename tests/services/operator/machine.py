"""A machine as the operator's page supposes it, in one folder and on free ports.

What the page writes stays as it is, but for the paths, ports and hosts of `here`: the one mapping.
Programs run for real: bash, guichet, PostgreSQL's, nginx, promtool, curl, coreutils. Of four there
is a script in place: `systemctl` starts and stops the units of deploy/ by their own ExecStart,
since systemd does not run here; `journalctl` checks what it is asked, and has no journal to read;
`runuser` gives the name of the user, to PostgreSQL, and not their rights; `nginx` is told where
its configuration is. `guichet` and `celery` run in forks of a process that has loaded them.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.certificates import Authority
from tests.services.children import Child, MissingService
from tests.services.nginx import NAME, sample
from tests.services.peer import Peer
from tests.services.postgresql import PostgreSQLServer
from tests.services.redis_server import RedisServer
from tests.services.smtp import Relay
from tests.services.waiting import LOOPBACK, free_port

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
DEPLOY = ROOT / "deploy"
PORTS = (8000, 8091, 8092, 6432)
FOLDERS = re.compile(r"(?<![\w./])/(etc|root|run|var|usr/share/guichet)(?=[/ \n\"]|$)")
NSS = "libnss_wrapper.so"
GROUP, WORKER = 64990, 64991
USERS = (
    f"guichet:x:{GROUP}:{GROUP}::/var/lib/guichet:/usr/sbin/nologin",
    f"guichet-worker:x:{WORKER}:{GROUP}::/var/lib/guichet:/usr/sbin/nologin",
)
GROUPS = (f"guichet:x:{GROUP}:",)
RUNUSER = """\
#!/bin/sh
test "$1 $3" = "-u --" || { echo "runuser: only -u USER -- is known here" >&2; exit 1; }
getent passwd "$2" >/dev/null || { echo "runuser: unknown user $2" >&2; exit 1; }
user=$2; shift 3
PGUSER=$user exec env "$@"
"""
NGINX = """\
pid {root}/run/nginx.pid;
error_log {root}/var/log/nginx/error.log;
events {{}}
http {{
    client_body_temp_path {root}/var/body; proxy_temp_path {root}/var/proxy;
    fastcgi_temp_path {root}/var/fastcgi; uwsgi_temp_path {root}/var/uwsgi;
    scgi_temp_path {root}/var/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""


@dataclass(frozen=True)
class Around:
    """What the machine has beside Guichet: `homeserver` answers for all homeservers."""

    postgresql: PostgreSQLServer
    redis: RedisServer
    relay: Relay
    homeserver: Peer
    authority: Authority


class Failed(AssertionError):
    """A command of the page did not end as it should."""


class Machine:
    """`run` tries what stands on the page."""

    def __init__(self, folder: Path, around: Around) -> None:
        self.folder, self.around = folder, around
        self.root, self.programs = folder / "root", folder / "programs"
        self.ports = {port: free_port() for port in PORTS}
        self.fork_server: Child | None = None
        self._make_folders()
        self._make_users()
        self._make_programs()
        self._make_samples()

    @property
    def settings_file(self) -> Path:
        return self.root / "etc/guichet/guichet.env"

    @property
    def environment(self) -> dict[str, str]:
        """Of a shell of root, and of every unit."""
        postgresql = self.around.postgresql
        return {
            "PATH": f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.root / "root"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PGHOST": str(postgresql.folder),
            "PGPORT": str(postgresql.port),
            "GUICHET_ENV_FILE": str(self.settings_file),
            "LD_PRELOAD": NSS,
            "NSS_WRAPPER_PASSWD": str(self.root / "etc/passwd"),
            "NSS_WRAPPER_GROUP": str(self.root / "etc/group"),
        }

    def here(self, text: str) -> str:
        """The mapping: what the page calls so, as it is called on this machine."""
        around, database = self.around, self.around.postgresql
        pairs = {
            "/etc/postgresql/15/main": str(database.data),
            # A pooler is told the port, too; libpq reads it from PGPORT.
            "host=/run/postgresql dbname": f"host={database.folder} port={database.port} dbname",
            "/run/postgresql": str(database.folder),
            f"{LOOPBACK}:6379": f"{LOOPBACK}:{around.redis.port}",
            "smtp://guichet:password@relay.example.org:587?tls=starttls": around.relay.url,
            "https://matrix.agents.example": around.homeserver.url,
            "https://matrix.guests.example": around.homeserver.url,
            **{f"{LOOPBACK}:{port}": f"{LOOPBACK}:{ours}" for port, ours in self.ports.items()},
            "listen_port = 6432": f"listen_port = {self.ports[6432]}",
            "--workers 2": "--workers 1",  # of guichet-web.service: enough here
        }
        # Placed last, so that no path of this machine is mapped twice.
        marks = {name: f"\0{number}\0" for number, name in enumerate(pairs)}
        for name, mark in marks.items():
            text = text.replace(name, mark)
        text = FOLDERS.sub(lambda found: f"{self.root}/{found[1]}", text)
        for name, mark in marks.items():
            text = text.replace(mark, pairs[name])
        return text

    def start(self) -> None:
        socket = self.folder / "guichet.socket"
        argv = [sys.executable, "-m", "tests.services.operator.fork_server", str(socket)]
        log = self.folder / "guichet.log"
        self.fork_server = Child(argv, log=log, env=self.environment, cwd=ROOT)
        self.fork_server.wait_until(socket.exists, what="the command is loaded")

    def stop(self) -> None:
        if self.fork_server:
            self.fork_server.kill()

    def run(self, script: str, *, where: str, ends: frozenset[int] = frozenset({0})) -> str:
        """A block of the shell, to its first command that fails. Gives what it printed."""
        told = 'echo "ended with $?: $BASH_COMMAND" >&2'
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-E", "-e", "-c", f"trap '{told}' ERR\n{self.here(script)}"],
            cwd=self.root / "root",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode not in ends or "Traceback (most recent" in done.stdout:
            raise Failed(f"{where} ended with {done.returncode}:\n{script}\n---\n{done.stdout}")
        return done.stdout

    def write(self, text: str) -> Path:
        """A block of a file: its first line names it. It comes before what is there already."""
        first, _, rest = self.here(text).partition("\n")
        named = re.fullmatch(r"# (/\S+)", first)
        if not named:
            raise Failed(f"the first line must name the file: {first}")
        path = Path(named[1])
        if not path.parent.is_dir():
            raise Failed(f"there is no folder {path.parent}")
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(f"{rest}\n{before}", encoding="utf-8")
        return path

    def told(self, *words: str) -> Any:
        """What a command says with --json."""
        return json.loads(self.run(" ".join(("guichet", *words, "--json")), where="the test"))

    def _make_folders(self) -> None:
        for name in (
            *("etc/guichet", "etc/nginx/conf.d", "etc/prometheus", "etc/cron.d", "etc/pgbouncer"),
            *("root", "run", "usr/share", "var/lib/guichet", "var/backups", "var/log/nginx"),
            "etc/ssl",
        ):
            (self.root / name).mkdir(parents=True)
        self.programs.mkdir()

    def _make_users(self) -> None:
        """As the package makes them."""
        if not shutil.which("getent") or not list(Path("/usr/lib").glob(f"*/{NSS}*")):
            raise MissingService("nss_wrapper is not installed: apt-get install libnss-wrapper")
        for name, more in (("passwd", USERS), ("group", GROUPS)):
            lines = Path(f"/etc/{name}").read_text(encoding="utf-8").splitlines()
            others = [line for line in lines if not line.startswith("guichet")]
            (self.root / "etc" / name).write_text("\n".join([*others, *more, ""]))

    def _make_programs(self) -> None:
        client = (
            f'exec {sys.executable} -I -S {HERE}/client.py {self.folder}/%s "$(basename "$0")" "$@"'
        )
        forked, controlled = client % "guichet.socket", client % "systemctl.socket"
        nginx = self.root / "etc/nginx/nginx.conf"
        scripts = {
            "guichet": f"#!/bin/sh\n{forked}\n",
            "celery": f"#!/bin/sh\n{forked}\n",
            "systemctl": f"#!/bin/sh\n{controlled}\n",
            "journalctl": f"#!/bin/sh\n{controlled}\n",
            "nginx": f'#!/bin/sh\nexec /usr/sbin/nginx -p {self.root} -c {nginx} "$@"\n',
            "runuser": RUNUSER,
            "guichet-backup": (DEPLOY / "guichet-backup").read_text(encoding="utf-8"),
        }
        for name, script in scripts.items():
            (self.programs / name).write_text(script, encoding="utf-8")
            (self.programs / name).chmod(0o755)
        nginx.write_text(NGINX.format(root=self.root), encoding="utf-8")

    def _make_samples(self) -> None:
        """/usr/share/guichet, as the package fills it."""
        share = self.root / "usr/share/guichet"
        shutil.copytree(DEPLOY, share, ignore=shutil.ignore_patterns("systemd"))
        shutil.copy(ROOT / "examples/federation.yaml", share)
        ports = {"port": free_port(), "clear_port": free_port()}
        web = f"http://{LOOPBACK}:{self.ports[8000]}"
        certificate = self.around.authority.issue(NAME)
        conf = sample(self.root / "var/log/nginx", certificate, web=web, **ports)
        (share / "nginx.conf").write_text(conf, encoding="utf-8")
        shutil.copy(self.around.authority.ca_file, self.root / "etc/ssl/ministry.pem")
        (self.root / "root/people.csv").write_text("Nom;Adresse\nEmma;emma@association.example\n")
        (self.root / "root/registration_secret").write_text("a registration secret\n")
        (self.root / "root/admin_token").write_text("an administrator's token\n")
