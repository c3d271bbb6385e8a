"""Where the templates stand: beside the story they belong to, in `templates/pages` and `templates/mails`."""

from pathlib import Path
from typing import Final

FOLDERS: Final = tuple(sorted(Path(__file__).parents[1].glob("*/templates")))
