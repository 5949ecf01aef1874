"""The documentation as tests see it: pages, fenced blocks, commands and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(wxgate [a-z][^`\n]*)`")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it stands, its info string and its text."""

    page: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """List every page a reader may open."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """Name a page by its path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(*infos: str) -> list[Block]:
    """List the fenced blocks with one of these info strings."""
    return [block for page in pages() for block in blocks_of(page) if block.info in infos]


def blocks_of(page: Path) -> Iterator[Block]:
    """List the fenced blocks of a page."""
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        yield Block(name_of(page), text.count("\n", 0, match.start()) + 1, match[1].strip(), match[2])


def commands_of(page: Path) -> Iterator[str]:
    """List the wxgate commands in a page's shell blocks."""
    for block in blocks_of(page):
        for line in block.text.splitlines() if block.info in ("sh", "console") else ():
            command = line.removeprefix("$ ") if block.info == "console" else line
            if command.startswith("wxgate "):
                yield command


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """List what a link to a page can point at, as GitHub names headings."""
    titles = HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
