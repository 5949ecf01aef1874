"""Every link between pages leads somewhere."""

from pathlib import Path

import pytest

from tests.docs.pages import LINK, ROOT, anchors, name_of, pages, prose


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(prose(page)) if "://" not in link and not leads(page, link)]
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            targets = (link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link)
            ahead += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]
    assert set(pages()) - reached == set()


def leads(page: Path, link: str) -> bool:
    """Tell whether a relative link leads to a file, and to a heading where it names one."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))
