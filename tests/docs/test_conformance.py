"""The table of conformance rules names tests that are there."""

import re

from tests.docs.pages import ROOT

TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_rule_of_the_table_has_its_test() -> None:
    rules = TEST.findall((ROOT / "docs/guides/login-oidc.md").read_text("utf-8"))
    assert len(rules) > 25
    missing = [
        f"{file}::{name}"
        for file, name in rules
        if f"def {name}(" not in (ROOT / "tests" / file).read_text("utf-8")
    ]
    assert missing == []
