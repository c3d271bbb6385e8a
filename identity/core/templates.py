"""The folders with Jinja templates: each story has its own, with subfolders pages and mails."""

from pathlib import Path
from typing import Final

FOLDERS: Final = tuple(sorted(Path(__file__).parents[1].glob("*/templates")))
