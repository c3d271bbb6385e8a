"""Runs the demo's nginx: in front of the homeservers with guests, and whatever else it is to serve.

The doors of homeservers are configured by the samples in deploy/.
"""

import os
import pwd
import re
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .children import ROOT, Child, environment
from .synapse import LOOPBACK, Homeserver

DEPLOY = ROOT / "deploy"
NOT_INSTALLED = (
    "nginx is not installed (apt-get install nginx-light): what only a proxy closes to guests is open,"
    " and there is no messenger."
)
FRAME = """daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/synapse-limits.conf;
{servers}}}
"""
SERVER = """    server {{
        listen {address}:{port};
        server_name localhost;
{block}    }}
"""
DOOR = """        client_max_body_size 50m;
        include {folder}/{name}.conf;
        location / {{
            proxy_pass http://{synapse};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 600s;
        }}
"""


@dataclass(frozen=True)
class Server:
    """What nginx serves on a port of its own: `block` is the inside of a `server` block."""

    port: int
    block: str


def program() -> str | None:
    """The path of nginx, None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


class Proxy:
    """One nginx process."""

    def __init__(
        self,
        program: str,
        folder: Path,
        homeservers: Sequence[Homeserver],
        *,
        identity_server: str,
        others: Sequence[Server] = (),
    ) -> None:
        """It listens on the port of clients of each homeserver, and on those of `others`."""
        self._program, self._folder = program, folder
        self._child: Child | None = None
        folder.mkdir(parents=True)
        shutil.copy(DEPLOY / "synapse-limits.conf", folder)
        sample = (DEPLOY / "synapse-mixed.conf").read_text(encoding="utf-8")
        sample = sample.replace(r"guichet\.example\.org", re.escape(identity_server))
        for each in homeservers:
            configuration = sample.replace("127.0.0.1:8008", f"{LOOPBACK}:{each.own_port}")
            (folder / f"{each.name}.conf").write_text(configuration, encoding="utf-8")
        self._servers = [*map(self._door, homeservers), *others]
        (folder / "nginx.conf").write_text(self._configuration(), encoding="utf-8")

    def start(self) -> Child:
        """Start nginx."""
        self._child = Child(
            "nginx",
            [
                *(self._program, "-e", str(self._folder / "error.log")),
                *("-p", str(self._folder), "-c", str(self._folder / "nginx.conf")),
            ],
            log=self._folder / "output.log",
            env=environment(),
            cwd=self._folder,
        )
        return self._child

    def answers(self) -> bool:
        """Whether all its ports accept connections."""
        return all(map(_is_open, (each.port for each in self._servers)))

    def _door(self, homeserver: Homeserver) -> Server:
        synapse = f"{LOOPBACK}:{homeserver.own_port}"
        block = DOOR.format(folder=self._folder, name=homeserver.name, synapse=synapse)
        return Server(homeserver.port, block)

    def _configuration(self) -> str:
        servers = "".join(
            SERVER.format(address=LOOPBACK, port=each.port, block=each.block)
            for each in self._servers
        )
        # Started by root, its worker would switch to a user who cannot read this folder.
        name = pwd.getpwuid(os.geteuid()).pw_name
        user = f"user {name};\n" if os.geteuid() == 0 else ""
        return FRAME.format(user=user, folder=self._folder, servers=servers)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
