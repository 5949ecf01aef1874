"""The pages people see: one template environment, and headers that give nothing away."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from wxgate.server.texts import Lang, has_text, text

STYLE = "pages.css"

SCRIPTS = ("login_open.js", "login_qr.js", "login_scan.js")
"""Our own scripts, each in the page that needs it and in no other."""


class Referrer(StrEnum):
    """What the next site learns of the page a visitor comes from."""

    ORIGIN = "origin"
    """Our scheme and host. WeChat refuses visitors who do not come from the registered host, so it must be
    sent; the path must not, because it may carry an invite's token."""

    NONE = "no-referrer"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a page may do besides showing itself; without a word, nothing."""

    form_to: tuple[str, ...] = ()
    """Where its forms may lead, redirects after them included: origins, or 'self' in quotes."""

    script: str = ""
    script_hosts: tuple[str, ...] = ()
    frame_hosts: tuple[str, ...] = ()
    connect: bool = False


NOTHING = Allowed()

NONE = "'none'"


class Pages:
    """Renders templates; everything that goes in is escaped, and nothing outside the page is loaded
    unless the page is allowed it by name."""

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
        scripts = {name: self._templates.get_template(name).render() for name in SCRIPTS}
        # They are ours byte by byte, so the policy can name their hashes.
        self._templates.globals["style"] = Markup(style)  # noqa: S704 - our own file
        self._templates.globals["scripts"] = {name: Markup(own) for name, own in scripts.items()}  # noqa: S704
        self._style = _hash_of(style)
        self._scripts = {name: _hash_of(own) for name, own in scripts.items()}

    def render(
        self,
        template: str,
        lang: Lang,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        referrer: Referrer = Referrer.NONE,
        allowed: Allowed = NOTHING,
    ) -> HTMLResponse:
        """Render one page in one language."""
        body = self._templates.get_template(template).render(context, t=partial(text, lang), lang=lang)
        return HTMLResponse(
            body,
            status_code=status,
            headers=private_headers(referrer)
            | {"Content-Security-Policy": self._policy(allowed), "Content-Language": text(lang, "html_lang")},
        )

    def _policy(self, allowed: Allowed) -> str:
        own = (self._scripts[allowed.script],) if allowed.script else ()
        sources = {
            "default-src": (),
            "style-src": (self._style,),
            "base-uri": (),
            "form-action": allowed.form_to,
            "frame-ancestors": (),
        }
        extra = {
            "script-src": (*own, *allowed.script_hosts),
            "frame-src": allowed.frame_hosts,
            "connect-src": ("'self'",) if allowed.connect else (),
        }
        sources |= {name: values for name, values in extra.items() if values}
        return "; ".join(f"{name} {' '.join(values) or NONE}" for name, values in sources.items())


def _hash_of(own: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(own.encode()).digest()).decode()}'"


def private_headers(referrer: Referrer) -> dict[str, str]:
    """Make the headers of an answer that is for this visitor and this moment only."""
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
