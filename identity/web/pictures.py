"""Pictures that are drawn into a page: QR codes."""

from typing import Final

import segno
from markupsafe import Markup

BORDER: Final = 4  # modules, as ISO/IEC 18004 asks


def qr_code(text: str) -> Markup:
    """The QR code of a text as SVG, for a page: without script, style or address.

    It corrects as few errors as a code can (level L): a screen is clean, and fewer modules are
    larger ones. White surrounds it in dark mode too, since readers expect dark on light. It grows
    and shrinks with the place that the style sheet gives it. Raises ValueError if no code can hold
    the text: at most 2,953 bytes.
    """
    code = segno.make(text, error="l", boost_error=False, micro=False)
    drawn = code.svg_inline(border=BORDER, dark="#000", light="#fff", omitsize=True)
    return Markup(drawn)  # noqa: S704  segno draws numbers, nothing of the text stands in it
