"""`/openapi.json`: the description of this API, which stands beside this file as YAML."""

import json
from functools import cache
from pathlib import Path
from typing import Final

import yaml
from flask import Response

from .frame import blueprint
from .guards import ROUTES, Route

FILE: Final = Path(__file__).with_name("admin.yaml")

ROUTES[f"{blueprint.name}.openapi", "GET"] = Route(None)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The description, for everybody: it holds no secret, and tools ask for it without a token."""
    return Response(_document(), mimetype="application/json")


@cache
def _document() -> bytes:
    """The document in JSON, made once."""
    return json.dumps(yaml.safe_load(FILE.read_text(encoding="utf-8"))).encode()
