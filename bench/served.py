"""The application of the benchmark: Guichet, a constant view, and a list of regexes."""

import re

from flask import Flask, Response, jsonify, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from identity.app import MAX_BODY, create_app
from identity.services import build_services
from identity.settings import read_settings
from identity.web.asgi import Bridge

CONSTANT = "/constant"
REGEXES = "/regexes"


def constant() -> Flask:
    """A view that returns a constant: what Flask itself costs."""
    app = Flask("constant")

    @app.get("/")
    def view() -> Response:
        return jsonify({"hs": "agents.example"})

    return app


def regexes() -> Flask:
    """Routing by a list of regexes, where the first match wins."""
    app = Flask("regexes")
    patterns = {
        count: [rf".*@(.*\.|)d{number}\.example" for number in range(count)]
        for count in (300, 3_000)
    }

    @app.get("/<int:count>")
    def view(count: int) -> Response:
        address = request.args["address"]
        for pattern in patterns[count]:
            if re.match(pattern + "$", address):
                return jsonify({"hs": "agents.example"})
        return jsonify({"hs": "guests.example"})

    return app


app = DispatcherMiddleware(
    create_app(build_services(read_settings())), {CONSTANT: constant(), REGEXES: regexes()}
)
served = Bridge(app, threads=4, max_body=MAX_BODY)
