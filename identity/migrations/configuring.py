"""Alembic's configuration."""

from pathlib import Path

from alembic.config import Config

FOLDER = Path(__file__).parent


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database, by its SQLAlchemy URL."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = url
    return config
