"""docs/operations.md is done, from its first line to its last, as its reader would do it."""

from pathlib import Path

import pytest

from tests.worlds.operated import *
from tests.worlds.operator_page import UnknownCode, read

PAGE = Path(__file__).parents[3] / "docs/operations.md"


@pytest.mark.processes
def test_every_command_of_the_page_works(operated):
    for piece in read(PAGE):
        operated.do(piece)
    operated.check_exceptions()


@pytest.mark.parametrize(
    "text",
    ["```bash\nguichet doctor\n```", "```\nguichet doctor\n```", "    guichet doctor", "```sh"],
)
def test_code_that_nobody_would_try_is_refused(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}\n")
    with pytest.raises(UnknownCode):
        read(page)
