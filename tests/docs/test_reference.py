"""The reference says what the code says."""

import re
from pathlib import Path

import pytest

import wxgate
from docs import generate
from tests.docs.pages import ROOT, name_of
from wxgate.events.handlers import ARGUMENTS
from wxgate.protocol.links import AuthType
from wxgate.server.metrics import Metrics
from wxgate.settings import settings_table

SOURCES = (ROOT / "src/wxgate").rglob("*.py")


def read(page: str) -> str:
    """Read a page of the documentation."""
    return (ROOT / "docs" / page).read_text("utf-8")


@pytest.mark.parametrize("page", generate.pages(), ids=name_of)
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generate.filled(text) == text, "run: .venv/bin/python docs/generate.py"


def test_every_part_is_on_a_page() -> None:
    used = {
        match[2] for page in generate.pages() for match in generate.PART.finditer(page.read_text("utf-8"))
    }
    assert used == set(generate.PARTS)


def test_every_setting_is_documented() -> None:
    page = read("reference/settings.md")
    assert [row.variable for row in settings_table() if f"| `{row.variable}` |" not in page] == []


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    known = {row.variable for row in settings_table()}
    known |= {"WXGATE_DEBUG", "WXGATE_PASSPHRASE", "WXGATE_API_KEY"}  # read by commands alone
    known |= {"WXGATE_LOGIN"}  # a setting of Django projects
    named = {
        variable
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for variable in re.findall(r"\bWXGATE_[A-Z_]+", page.read_text("utf-8"))
    }
    assert named - known == set()


def test_every_error_is_documented() -> None:
    page = read("reference/errors.md")
    leaves = [kind.__name__ for kind in generate.error_leaves()]
    assert len(leaves) > 20
    assert [name for name in leaves if f"| `{name}` |" not in page] == []


def test_every_metric_is_documented() -> None:
    page = read("reference/metrics.md")
    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"| `{name}` |" in page


def test_every_public_name_is_documented() -> None:
    page = read("reference/python.md")
    assert [name for name in wxgate.__all__ if f"| `{name}` |" not in page] == []


def test_every_argument_of_a_handler_is_documented() -> None:
    page = read("guides/handlers.md")
    assert [name for name in ARGUMENTS if f"| `{name}` |" not in page] == []


def test_every_auth_type_is_documented() -> None:
    line = next(
        line for line in read("guides/authorization-links.md").splitlines() if "| `auth_type` |" in line
    )
    assert {int(number) for number in re.findall(r"\b\d\b", line)} == {int(kind) for kind in AuthType}


def test_every_path_is_documented() -> None:
    server = ROOT / "src/wxgate/server"
    code = "".join((server / name).read_text("utf-8") for name in ("app.py", "authorize.py"))
    paths = {path for path in re.findall(r'oute\(\s*"(/[^"]*)"', code) if ":path" not in path}
    page = read("reference/http.md")
    assert len(paths) >= 8
    assert {path for path in paths if f"`GET {path}`" not in page} == set()


def test_every_address_of_login_is_documented() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src/wxgate/server/login").glob("*.py"))
    paths = {path for path in re.findall(r'(?:oute\(\s*|= )"(/login/[^"]*[^"/])"', code) if ":" not in path}
    page = read("reference/http.md")
    assert len(paths) >= 8
    assert {path for path in paths if path not in page} == set()
    assert {"authorize", "token", "userinfo", "revoke", "logout", "jwks.json"} <= set(
        re.findall(r"/oidc/\{realm\}/([a-z.]+)", page)
    )


def test_no_page_explains_a_log_event_that_is_never_written() -> None:
    written = {
        event
        for path in SOURCES
        for event in re.findall(r'log\.\w+\(\s*"([a-z_.]+)"', path.read_text("utf-8"))
    }
    rows = [
        line.split("|")[1] for line in section(read("operations.md"), "## Logs") if line.startswith("| `")
    ]
    explained = {event for row in rows for event in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    assert explained
    assert explained - written == set()


def section(page: str, heading: str) -> list[str]:
    """Return the lines under a heading."""
    return page.partition(f"\n{heading}\n")[2].partition("\n## ")[0].splitlines()
