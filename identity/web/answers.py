"""How answers are written: JSON by one encoder, and headers that are constants of ours put in last."""

import json
from typing import Any, ClassVar
from wsgiref.types import WSGIEnvironment

from flask import Response
from flask.json.provider import DefaultJSONProvider


class Answer(Response):
    """A response, perhaps with headers that are always the same.

    Werkzeug looks for line breaks in every header, twice; these are put behind the others unchecked.
    """

    constants: tuple[tuple[str, str], ...] = ()
    """Names and values. One that the response has already stays as it is."""

    def get_wsgi_response(self, environ: WSGIEnvironment) -> Any:
        body, status, headers = super().get_wsgi_response(environ)
        if self.constants:
            given = {name.lower() for name, _ in headers}
            headers += [each for each in self.constants if each[0].lower() not in given]
        return body, status, headers


class Json(DefaultJSONProvider):
    """Flask's JSON, always compact. To make an encoder costs more than to write a short answer."""

    ENCODER: ClassVar = json.JSONEncoder(
        default=DefaultJSONProvider.default, sort_keys=True, separators=(",", ":")
    )

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """What `jsonify` answers: the object, and a line break behind it."""
        text = self.ENCODER.encode(self._prepare_response_obj(args, kwargs))
        return Answer(f"{text}\n", mimetype=self.mimetype)
