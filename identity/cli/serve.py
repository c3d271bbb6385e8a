"""`guichet serve`: runs web, worker and scheduler together on one machine."""

import sys
from functools import partial

import click

from identity.command.listening import accepts, check_exposure, check_free
from identity.command.looking import bring_up_to_date, warn_of_unknown
from identity.command.web_server import Tls, clear_socket, granian
from identity.core.journal import Actor
from identity.homeservers import secrets as homeserver_secrets
from identity.keys import process_keys as keys
from identity.operators import entering
from identity.problems import NoSuchOperator
from identity.rule_changes.cli.sample import load_sample
from identity.services import Services, build_services
from identity.settings import Settings, read_settings

from .processes import Process, Supervisor

# This is for a first look, also in a container, where everybody is root.
NO_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
# Each process of the worker takes some 35 MB, and one person keeps no more than these busy.
FEW = ("--concurrency", "3")
STOP_TIME = 10  # seconds for the web to finish what was begun; below processes.STOP_TIMEOUT


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="PEM file.")
def serve(host: str, port: int, tls_certificate: str | None, tls_key: str | None) -> None:
    """Run everything on this machine: web, worker and scheduler, until Ctrl-C.

    Without any settings it uses SQLite, a broker of files and a folder of mails under ./var, and
    loads a sample federation to try it with. This is for a first look; in production, guichet web
    and Celery run on their own (docs/operations.md).

    The addresses are printed once they answer. Logs follow as text; set GUICHET_LOG_FORMAT=json
    for programs. GUICHET_INTERNAL_LISTEN says where homeservers ask, if anywhere.
    """
    tls = Tls.of_options(tls_certificate, tls_key)
    settings = _settings(host, port, at_https=bool(tls))
    services = build_services(settings)
    check_free(_bind(host, port))
    if settings.internal_listen:
        check_free(settings.internal_listen, "set GUICHET_INTERNAL_LISTEN, empty switches it off")
    is_first = _prepare(services)
    console = console_link(services)
    services.database.engine.dispose()
    base = settings.public_url
    listeners = (_bind(_reachable(host), port), settings.internal_listen)
    common = {"GUICHET_PUBLIC_URL": base, "GUICHET_LOG_FORMAT": settings.log_format or "text"}
    environment = {**common, **_without_private_halves(services)}
    worker = {**common, **_with_private_halves(settings), "PYTHONWARNINGS": NO_ROOT_WARNING}
    web = granian("asgi:app", _bind(host, port), tls=tls, stop_time=STOP_TIME)
    listening = [Process("web", web, environment)]
    if listen := settings.internal_listen:
        internal = granian("asgi:internal", listen, stop_time=STOP_TIME)
        cleared = partial(clear_socket, listen)
        listening.append(Process("internal", internal, environment, before=cleared))
    working = [
        Process(
            "worker",
            _celery("worker", "--without-gossip", "--without-mingle", *FEW),
            worker,
            shows_output=False,
        ),
        # No pid file: the supervisor runs one scheduler, and a stale file would prevent its start.
        Process("scheduler", _celery("beat", "--pidfile="), environment, shows_output=False),
    ]
    with Supervisor() as supervisor:
        supervisor.start(listening)
        # granian listens once the application is loaded. A request of ours would stand in the log.
        if supervisor.wait_until(lambda: all(accepts(bind) for bind in listeners)):
            _announce(settings, console, is_first=is_first)
            supervisor.start(working)  # only now: what it logs follows the addresses
        sys.exit(supervisor.watch())


def _settings(host: str, port: int, *, at_https: bool) -> Settings:
    settings = read_settings()
    check_exposure(settings, host)
    if "public_url" in settings.model_fields_set:
        return settings
    # Links in mails lead to where this process listens, unless the public URL is set.
    scheme = "https" if at_https else "http"
    return read_settings(public_url=f"{scheme}://{_bind(_reachable(host), port)}")


def _without_private_halves(services: Services) -> dict[str, str]:
    """Environment of all processes but the worker: it hides private keys set in `.env` too."""
    return {
        "GUICHET_HOMESERVER_KEYS": "",
        "GUICHET_HOMESERVER_KEYS_FILE": "",
        "GUICHET_HOMESERVER_PUBLIC_KEY": services.public_half.text,
    }


def _with_private_halves(settings: Settings) -> dict[str, str]:
    """Environment of the worker: it inherits the keys, or reads them from the data directory."""
    keys.private_halves(settings)  # raises here once, instead of in the worker at each restart
    if settings.homeserver_keys:
        return {}
    return {"GUICHET_HOMESERVER_KEYS_FILE": str((settings.data_dir / keys.PRIVATE_FILE).resolve())}


def _prepare(services: Services) -> bool:
    """Upgrade the embedded database and load the sample federation; check any other database.

    True if the sample was loaded: then this is the first start.
    """
    warn_of_unknown()
    bring_up_to_date(services.settings)
    if not services.settings.is_embedded:
        return False
    with services.database.transaction() as session:  # no older version runs on the same database
        homeserver_secrets.reseal(session, services.vault, services.public_half)
    return load_sample(services)


def console_link(services: Services) -> str | None:
    """A link into the console of a trial installation on this machine alone; else None.

    None as well if its operator was disabled: the service starts all the same.
    """
    settings = services.settings
    if not (settings.is_embedded and settings.is_local) or settings.console == "off":
        return None
    who = Actor("guichet", "guichet serve", "the link that is printed at the start")
    try:
        with services.database.transaction() as session:
            token = entering.embedded_link(session, services.now(), who)
    except NoSuchOperator:
        return None
    return f"{settings.console_origin}{entering.PATH}{token}"


def _announce(settings: Settings, console: str | None, *, is_first: bool) -> None:
    """Print the addresses: on stdout, at once also into a pipe, and before anything else."""
    click.echo(f"Sign-up   {settings.public_url}/start")
    if settings.smtp_url is None:
        click.echo(f"Mailbox   {settings.public_url}/dev/mail")
    if console is not None:
        click.echo(f"Console   {console}")
    if is_first:
        click.echo(
            "First start: the sample federation is loaded (examples/federation.yaml).", err=True
        )
    click.echo("Stop with Ctrl-C.", err=True)


def _celery(command: str, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "workers",
        "-q",
        command,
        "-l",
        "WARNING",
        *options,
    ]


def _bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    """The address at which this machine reaches a listener on `host`."""
    return "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104  compared, not bound
