"""The Matrix Identity Service API v2: one module per resource. A blueprint in a module here is served."""

from importlib import import_module
from pkgutil import iter_modules

from flask import Blueprint

V2 = "/_matrix/identity/v2"


def blueprints() -> list[Blueprint]:
    """Every blueprint that a module of this package defines."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Blueprint)
    ]
