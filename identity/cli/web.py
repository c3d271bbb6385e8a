"""`guichet web`: serves the public site or the internal listener, as the units of deploy/ do."""

import os

import click

from identity.command.listening import check_free
from identity.command.looking import warn_of_unknown
from identity.command.web_server import Tls, clear_socket, granian
from identity.keys import process_keys as keys
from identity.settings import WrongSettings, read_settings


@click.command()
@click.option("--internal", is_flag=True, help="Serve the internal listener instead of the site.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="host:port or unix:/path. Without it: 127.0.0.1:8000; with --internal, "
    "GUICHET_INTERNAL_LISTEN.",
)
@click.option(
    "--workers",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes. Each works on GUICHET_WEB_THREADS requests at once.",
)
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="PEM file.")
def web(
    *,
    internal: bool,
    listen: str | None,
    workers: int,
    tls_certificate: str | None,
    tls_key: str | None,
) -> None:
    """Serve the public site, or what homeservers ask, until a signal.

    This is one process of a deployment; guichet serve runs all of them. A request must bring its
    headers within 10 seconds and its body within 20. SIGTERM finishes what was begun.
    """
    tls = Tls.of_options(tls_certificate, tls_key)
    settings = read_settings()
    keys.refuse_private_halves(settings)
    warn_of_unknown()
    where = listen or (settings.internal_listen if internal else "127.0.0.1:8000")
    if not where:
        raise WrongSettings("GUICHET_INTERNAL_LISTEN is empty: set it, or give --listen")
    check_free(where, "choose another --listen")
    target = "asgi:internal" if internal else "asgi:app"
    command = granian(target, where, workers=workers, tls=tls)
    clear_socket(where)
    if settings.log_format:
        os.environ["GUICHET_LOG_FORMAT"] = settings.log_format
    os.execv(command[0], command)  # noqa: S606  our own command line; it takes over this process
