"""What is shipped is complete, and nothing in the repository tells where it was made."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import wxgate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "wxgate"

# Folders that git ignores; a checkout without git is looked through just the same.
NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "artifacts", "node_modules"}
CACHE = re.compile(r"^\..*(cache|hypothesis)$|\.egg-info$")

# Assembled, so that this file is not found itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "/sim" + "ple/",
    "artifact" + "ory",
]
HOMES = ["/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/"]


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS and not CACHE.search(name)]
        yield from (Path(here, name) for name in names)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built as a release would be but without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    ours = {path.relative_to(PACKAGE.parent).as_posix() for path in _files(PACKAGE)}
    shipped = {name for name in wheel.namelist() if name.startswith("wxgate/")}
    assert shipped == ours
    assert any(not name.endswith((".py", "py.typed")) for name in shipped), (
        "no data, template or page is shipped"
    )


def test_the_wheel_installs_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = f"wxgate-{wxgate.__version__}.dist-info"
    assert "wxgate = wxgate.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "\nLicense-Expression: Apache-2.0\n" in wheel.read(f"{info}/METADATA").decode()


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_file_pins_with_hashes_and_names_no_registry(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=sha256:", ""), re.MULTILINE), "no options of pip"
    requirements = re.findall(r"^[a-z0-9].*(?:\n    --hash.*)*", text, re.MULTILINE | re.IGNORECASE)
    assert requirements
    assert [
        line for line in requirements if not re.match(r"[\w.\[\],-]+==\S+.*\n    --hash=sha256:", line)
    ] == []


def test_every_dependency_is_pinned_for_running() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.match(r"[\w.-]+", dependency).group() for dependency in project["dependencies"]}
    pinned = set(
        re.findall(r"^([\w.-]+)==", (ROOT / "requirements/runtime.txt").read_text("utf-8"), re.MULTILINE)
    )
    assert wanted - pinned == set()


def test_no_file_tells_where_it_was_made() -> None:
    told = [str(ROOT) + "/", *HOMES, *REGISTRIES]
    found = {}
    for path in _files(ROOT):
        text = path.read_bytes().decode("utf-8", errors="ignore")
        hits = [word for word in told if word in text]
        if hits:
            found[path.relative_to(ROOT).as_posix()] = hits
    assert found == {}
