"""A real nginx with the samples of deploy/, their paths, names and ports replaced and nothing else."""

import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .certificates import Certificate
from .children import Child, MissingService
from .waiting import LOOPBACK, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "guichet.example.org"  # of the site, in the sample
AROUND = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/main-error.log crit;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/sample.conf;
}}
"""


class Nginx(Child):
    """Answers as the sample says: by TLS on `port`, in the clear on `clear_port`."""

    folder: Path
    port: int
    clear_port: int

    @property
    def logged(self) -> str:
        """Every log it wrote."""
        files = self.folder.glob("*.log")
        return "".join(path.read_text(errors="replace") for path in files) + self.log

    def ask(self, target: str, *, clear: bool = False, **headers: str) -> bytes:
        """The whole answer to a GET whose target is sent exactly as it is written here."""
        lines = [f"GET {target} HTTP/1.1", f"Host: {NAME}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        raw = socket.create_connection((LOOPBACK, self.clear_port if clear else self.port), 30)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with raw, raw if clear else context.wrap_socket(raw) as talk:
            talk.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            return b"".join(iter(lambda: talk.recv(65536), b""))


def sample(folder: Path, certificate: Certificate, *, port: int, clear_port: int, web: str) -> str:
    """The sample for this machine: each replacement must find what it replaces."""
    return replaced(
        (DEPLOY / "nginx.conf").read_text(encoding="utf-8"),
        {
            "    listen [::]:443 ssl;\n": "",
            "    listen [::]:80;\n": "",
            "listen 443 ssl;": f"listen {LOOPBACK}:{port} ssl;",
            "listen 80;": f"listen {LOOPBACK}:{clear_port};",
            f"/etc/ssl/{NAME}.pem": str(certificate.certificate),
            f"/etc/ssl/{NAME}.key": str(certificate.key),
            "/var/log/nginx": str(folder),
            "http://127.0.0.1:8000": web,
        },
    )


def replaced(text: str, pairs: dict[str, str]) -> str:
    """Each of them must be there."""
    for old, new in pairs.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def program() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise MissingService("nginx is not installed: apt-get install nginx-light")
    return found


def run(folder: Path, sample: str, *ports: int) -> Nginx:
    """Whatever stands in the http block, answering on these ports, the first of which is `port`. Kill it in the end."""
    (folder / "sample.conf").write_text(sample, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    command = [program(), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    child = Nginx(command, log=folder / "output.log", env={}, cwd=folder)
    child.folder, child.port = folder, ports[0]
    child.wait_until(lambda: all(map(listens, ports)), what="nginx listens")
    return child


@pytest.fixture
def nginx(tmp_path, authority) -> Iterator[Callable[[str], Nginx]]:
    """`nginx("http://127.0.0.1:8090")`: the sample in front of that address."""
    started: list[Nginx] = []

    def start(web: str) -> Nginx:
        folder = tmp_path / "nginx"
        folder.mkdir()
        ports = {"port": free_port(), "clear_port": free_port()}
        text = sample(folder, authority.issue(NAME), web=web, **ports)
        child = run(folder, text, *ports.values())
        child.clear_port = ports["clear_port"]
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
