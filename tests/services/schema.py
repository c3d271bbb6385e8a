"""The tables as an operator gets them: by the migrations."""

import importlib
import pkgutil
from pathlib import Path

from identity import storage
from identity.storage.database import Base, make_engine


def create_schema(url: str) -> None:
    """Bring an empty database to the newest schema."""
    if list(Path(storage.__path__[0]).parent.glob("migrations/versions/*.py")):
        importlib.import_module("identity.migrations").upgrade(url)
        return
    for module in pkgutil.iter_modules(storage.__path__, "identity.storage."):
        if module.name != "identity.storage.tables":
            importlib.import_module(module.name)
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
