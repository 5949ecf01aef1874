"""How tests with a real browser look at a page: its pictures, what it complains of, where it is."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Page

Shoot = Callable[[Page, Path, str], Awaitable[None]]


def shooting(story: str, *, fits: bool = False) -> Shoot:
    """Make what keeps pictures of a story to look at; `fits` also checks that no page is too wide."""

    async def shoot(page: Page, artifacts: Path, name: str) -> None:
        if fits:
            await expect_to_fit(page)
        await page.screenshot(path=artifacts / f"{story}-{name}.png", full_page=True)

    return shoot


def listen(page: Page) -> list[str]:
    """Collect what a page complains of, such as a violated content security policy."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


async def expect_to_fit(page: Page) -> None:
    """Check that nothing is wider than the screen."""
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def path_of(page: Page) -> str:
    """Return the path of the address that a page has now."""
    return urlsplit(page.url).path
