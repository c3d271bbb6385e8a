"""Loads what requests read before a process listens, so that the first one waits for nothing."""

import logging

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from identity.core.database_faults import is_schema_incomplete
from identity.routing import never_agent
from identity.services import Services
from identity.translations import LANGUAGES, texts

from .request_context import EXTENSION

log = logging.getLogger(__name__)

PAGES = "pages/"  # where the templates of the public site stand


def load(app: Flask) -> None:
    """Read rules, freezes and the key of marks in the log; of the public site also texts and templates.

    What the database does not give now, as it is away or not upgraded, is read when it is needed.
    """
    services: Services = app.extensions[EXTENSION]
    try:
        services.rules.current()
        services.freezes.current()
        with services.database.reading() as session:
            services.hashes.mark_of_address(session, "")
    except SQLAlchemyError as error:
        if is_schema_incomplete(error):
            log.warning("nothing is loaded yet: the tables are missing or old: guichet db upgrade")
        else:
            log.warning("nothing is loaded yet: the database is away: %s", type(error).__name__)
    except Exception:
        log.exception("nothing is loaded yet")
    app.url_map.update()
    if app.config["LISTENER"] == "public":
        _load_pages(app)


def _load_pages(app: Flask) -> None:
    for language in LANGUAGES:
        texts(language)
    for name in app.jinja_env.list_templates(filter_func=lambda name: name.startswith(PAGES)):
        app.jinja_env.get_template(name)
    never_agent.reason_of("")  # its lists of domains
