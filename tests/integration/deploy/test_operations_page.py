"""What docs/operations.md and docs/runbooks.md tell operators to type is typed, in this order."""

from pathlib import Path

import pytest

from tests.worlds.operated import *
from tests.worlds.operator_page import UnknownCode, read

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.processes
def test_every_command_works_where_it_stands(operated):
    for page in ("operations.md", "runbooks.md"):
        for piece in read(DOCS / page):
            operated.do(piece)
    operated.check_owners()
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
