"""What the pages show as Python is Python, and what they promise to run runs."""

import ast
import runpy
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks

# Those of login are sites of their own, served in tests/relying.
EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.py")) if not path.name.startswith("login_")]


@pytest.mark.parametrize("block", blocks("python run"), ids=str)
def test_a_block_marked_to_run_runs(block: Block, tmp_path: Path) -> None:
    program = tmp_path / "block.py"
    program.write_text(block.text, "utf-8")
    runpy.run_path(str(program))


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_other_block_is_at_least_python(block: Block) -> None:
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_can_be_served(example: Path) -> None:
    names = runpy.run_path(str(example))
    assert callable(names["app"])
    assert names["gateway"]


def test_there_is_something_to_run() -> None:
    assert len(blocks("python run")) >= 10
    assert len(EXAMPLES) >= 3
