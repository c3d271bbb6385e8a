"""The JSON API, for programs: clients and homeservers under /_matrix and /api, operators' checks beside them."""

from .routes import register

__all__ = ["register"]
