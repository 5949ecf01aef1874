"""The guides of login stay with the names that their own commands make."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, commands_of, name_of
from wxgate.login.configuration import FIRST_REALM

GUIDES = sorted((ROOT / "docs" / "guides").glob("login*.md"))

ISSUER = re.compile(r"(?:/|%2F)oidc(?:/|%2F)([a-z][a-z0-9-]*)\b(?!/callback)")
REALM = re.compile(r"^wxgate login realm (?:add|set) ([a-z][a-z0-9-]*)|--realm ([a-z][a-z0-9-]*)")
OURS = re.compile(r"wx\.example\.com\S*")


@pytest.mark.parametrize("guide", GUIDES, ids=name_of)
def test_an_issuer_is_that_of_the_realm_that_the_commands_make(guide: Path) -> None:
    shown = {realm for address in OURS.findall(guide.read_text("utf-8")) for realm in ISSUER.findall(address)}
    named = {name for command in commands_of(guide) for found in REALM.findall(command) for name in found}
    assert shown <= {FIRST_REALM} | named - {""}


def test_there_are_issuers_to_look_at() -> None:
    found = [realm for guide in GUIDES for realm in ISSUER.findall(guide.read_text("utf-8"))]
    assert len(found) >= 10
