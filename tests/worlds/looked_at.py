"""A page as different people see it: axe's rules, the width of a phone, light and dark, and pictures of it."""

from dataclasses import dataclass, field
from pathlib import Path

PICTURES = Path(__file__).parents[2] / "artefacts/console"
AXE = (
    "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
    " resultTypes: ['violations', 'incomplete']})"
)
SOME = [(320, "light"), (1280, "dark")]
ALL = [(width, scheme) for width in (320, 1280) for scheme in ("light", "dark")]


@dataclass
class Looks:
    """Looks at pages in Chromium. `seen_as`: widths in pixels, each with a colour scheme."""

    axe_script: str
    language: str
    seen_as: list[tuple[int, str]]
    takes_pictures: bool = False
    found: list[tuple[object, ...]] = field(default_factory=list)

    def look(self, page, name: str) -> None:
        """Add to `found` what is wrong with the page that is open."""
        assert page.locator("h1").count() == 1, name
        page.evaluate(self.axe_script)
        for width, scheme in self.seen_as:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            self.found += [(name, width, f"{wide} px wide")] * (wide > width)
            seen = page.evaluate(AXE)
            for fault in seen["violations"] + seen["incomplete"]:
                where = [node["html"][:100] for node in fault["nodes"][:2]]
                self.found.append((name, width, scheme, fault["id"], where))
            if self.takes_pictures:
                file = PICTURES / f"{name}-{self.language}-{width}-{scheme}.png"
                page.screenshot(path=file, full_page=True)
