"""The pages people see: one template environment, and headers that give nothing away."""

import base64
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from wxgate.server.texts import Lang, has_text, text

STYLE = "pages.css"


class Referrer(StrEnum):
    """What the next site learns of the page a visitor comes from."""

    ORIGIN = "origin"
    """Our scheme and host. WeChat refuses visitors who do not come from the registered host, so it must be
    sent; the path must not, because it may carry an invite's token."""

    NONE = "no-referrer"


class Pages:
    """Renders templates; everything that goes in is escaped, and nothing outside the page is loaded."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("wxgate.server"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.tests["text"] = has_text
        style = self._templates.get_template(STYLE).render()
        # The style element is ours byte by byte, so the policy can name its hash.
        self._templates.globals["style"] = Markup(style)  # noqa: S704 - our own file
        digest = base64.b64encode(sha256(style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def render(
        self,
        template: str,
        lang: Lang,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        referrer: Referrer = Referrer.NONE,
    ) -> HTMLResponse:
        """Render one page in one language."""
        body = self._templates.get_template(template).render(context, t=partial(text, lang), lang=lang)
        return HTMLResponse(
            body,
            status_code=status,
            headers=private_headers(referrer)
            | {"Content-Security-Policy": self._policy, "Content-Language": text(lang, "html_lang")},
        )


def private_headers(referrer: Referrer) -> dict[str, str]:
    """Make the headers of an answer that is for this visitor and this moment only."""
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
