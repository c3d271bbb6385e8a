"""Long files and functions, as one list to look at: `make sure` prints it, and nothing fails by it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("identity", "domain_rules", "workers", "tests", "bench", "examples")
MAX_FILE = 400  # lines
MAX_FUNCTION = 60


def too_long() -> Iterator[str]:
    """A line for each file and function over the measure."""
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        lines = text.count("\n")
        if lines > MAX_FILE:
            yield f"{name}: {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MAX_FUNCTION:
                    yield f"{name}:{node.lineno}: {node.name} has {length} lines"


if __name__ == "__main__":
    for line in too_long():
        print(f"warning: {line}")  # noqa: T201  this is what it is for
