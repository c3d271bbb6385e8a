"""Tables of the operator's guide, for tests that hold it to what it says."""

from pathlib import Path

SYNAPSE = Path(__file__).parents[2] / "docs/synapse.md"


def event_types() -> dict[str, dict[str, str]]:
    """What can change a room's rule: by event type, what each way does."""
    section = SYNAPSE.read_text(encoding="utf-8").partition("## 9.")[2].partition("\n## ")[0]
    (_, *ways), _, *rows = [_cells(line) for line in section.splitlines() if line.startswith("|")]
    return {kind.strip("`"): dict(zip(ways, told, strict=True)) for kind, *told in rows}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
