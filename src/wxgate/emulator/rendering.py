"""Rendering of the emulated pages, in Chinese or English."""

from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse


class Renderer:
    """Fills the templates in one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._templates = Environment(
            loader=PackageLoader("wxgate.emulator"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )

    def __call__(self, template: str, *, lang: str = "", **values: Any) -> HTMLResponse:
        """Render one page, in another language where the link asks for one."""
        lang = lang or self.lang
        zh = lang == "zh"
        page = self._templates.get_template(template)
        return HTMLResponse(
            page.render(lang=lang, t=lambda chinese, english: chinese if zh else english, **values)
        )
