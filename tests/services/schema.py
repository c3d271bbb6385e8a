"""The tables as an operator gets them: by the migrations."""

import importlib
import importlib.util
import pkgutil

from identity import storage
from identity.storage.database import Base, make_engine


def create_schema(url: str) -> None:
    """Bring an empty database to the newest schema."""
    if importlib.util.find_spec("identity.migrations"):
        migrations = importlib.import_module("identity.migrations")
        if hasattr(migrations, "upgrade"):
            migrations.upgrade(url)
            return
    for module in pkgutil.iter_modules(storage.__path__, "identity.storage."):
        importlib.import_module(module.name)
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
