"""QR codes as SVG elements."""

from functools import lru_cache

import segno
from markupsafe import Markup

KEPT = 256
"""How many drawn codes are remembered: to draw one takes milliseconds, in which no push is answered."""


@lru_cache(KEPT)
def draw_qr(url: str) -> Markup:
    """Draw a QR code as an SVG element; it holds nothing but a path.

    The lowest level of correction and a given mask are enough for a clean screen; to try all eight masks
    would take four times as long.
    """
    code = segno.make(url, error="l", boost_error=False, mask=0, micro=False)
    svg: str = code.svg_inline(border=2, omitsize=True, light="#fff", svgclass=None, lineclass=None)
    return Markup(svg)  # noqa: S704 - drawn by us, of squares alone
