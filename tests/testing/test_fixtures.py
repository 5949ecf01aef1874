"""The fixtures work outside this repository, in a user's own test suite, as the example shows."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from wxgate.testing import wechat

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/testing"


def load(name: str) -> ModuleType:
    """Load a module of the example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_tests_of_the_example_pass(subtests: pytest.Subtests) -> None:
    shop, tests = load("shop"), load("test_shop")
    async with wechat(shop.gateway) as world:
        for name, test in vars(tests).items():
            if name.startswith("test_"):
                with subtests.test(name):
                    await test(wechat=world)


@pytest.mark.timeout(180)
def test_a_suite_elsewhere_finds_a_gateway_that_answers_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shop = folder / "shop.py"
    shop.write_text(shop.read_text("utf-8").replace("from nine to six", "never"), "utf-8")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("WXGATE_", "PYTEST_"))}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-k", "hours"],
        cwd=folder,
        env={**own, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "1 failed, 4 deselected" in done.stdout, done.stdout + done.stderr
    assert "AssertionError: assert 'Open never.' == 'Open from nine to six.'" in done.stdout


def test_nothing_but_the_fixtures_needs_pytest() -> None:
    needing = {
        path.relative_to(ROOT / "src/wxgate").as_posix()
        for path in (ROOT / "src/wxgate").rglob("*.py")
        if re.search(r"^\s*(import|from) pytest", path.read_text("utf-8"), re.MULTILINE)
    }

    assert needing == {"testing/fixtures.py"}
