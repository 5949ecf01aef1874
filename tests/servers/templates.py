"""Databases that have their schema already: made once in a run of the tests, and copied for each test.

To bring an empty database up to date takes longer than most tests; that it works is tested in `tests/store`.
"""

import asyncio
import atexit
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from wxgate.store.database import read_url
from wxgate.store.schema import upgrade


def migrate(url: str) -> None:
    """Bring a database up to date, whether or not the caller runs in an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(upgrade(read_url(url)))).result()


def migrated_file(path: Path) -> Path:
    """Make a SQLite file that has its schema and no rows, unless there is a file; return its path."""
    if not path.exists():
        shutil.copy(_template(), path)
    return path


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wxgate-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "template.db"
    migrate(f"sqlite:///{file}")
    return file
