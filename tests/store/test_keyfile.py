"""The key file: made once, whole and for its owner only, and never replaced."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.store.test_platforms import DIRECT
from wxgate.custody.vault import KeyRing
from wxgate.errors import ConfigError
from wxgate.store import Store
from wxgate.store.keyfile import change_key_file, load_key_file, load_vault
from wxgate.store.store import open_vault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wxgate.key"


def test_the_first_start_makes_a_file_only_its_owner_can_read(path: Path) -> None:
    load_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["wxgate.key"]


def test_the_next_start_has_the_same_key(path: Path) -> None:
    assert load_key_file(path) == load_key_file(path)


def test_every_key_file_is_another(path: Path, tmp_path: Path) -> None:
    assert load_key_file(path) != load_key_file(tmp_path / "other.key")


def test_many_that_start_at_once_end_with_the_same_key(path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        rings = list(threads.map(load_key_file, [path] * 64))
    assert all(ring == rings[0] for ring in rings)
    assert os.listdir(path.parent) == ["wxgate.key"]


def test_processes_that_start_at_once_end_with_the_same_key(path: Path) -> None:
    code = (
        "import sys, pathlib; from wxgate.store.keyfile import load_key_file; "
        "sys.exit(load_key_file(pathlib.Path(sys.argv[1])).encode())"
    )
    start = (sys.executable, "-c", code, str(path))
    processes = [subprocess.Popen(start, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    written = {process.communicate(timeout=120)[1].split()[-1] for process in processes}
    assert written == {load_key_file(path).encode()}
    assert os.listdir(path.parent) == ["wxgate.key"]


def test_what_a_killed_process_left_half_written_is_no_hindrance(path: Path) -> None:
    path.with_name(f".{path.name}.{os.getpid()}").write_text("half a k")
    assert load_key_file(path) == load_key_file(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_others_can_read_is_refused_with_the_command_that_mends_it(path: Path, mode: int) -> None:
    load_key_file(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_key_file(path)


def test_a_damaged_file_is_refused_without_being_shown_and_kept(path: Path) -> None:
    path.write_text("0badc0de:not-base64-secret")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as raised:
        load_key_file(path)
    assert "secret" not in str(raised.value)
    assert path.read_text() == "0badc0de:not-base64-secret"


def test_an_empty_file_is_refused_and_not_filled(path: Path) -> None:
    path.touch(0o600)
    with pytest.raises(ConfigError):
        load_key_file(path)
    assert path.read_text() == ""


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_key_file(tmp_path / "nowhere" / "wxgate.key")


def test_keys_in_the_settings_need_no_file(path: Path) -> None:
    ring = KeyRing.generate()
    assert repr(load_vault(ring.encode(), path)) == repr(load_vault(ring.encode(), path))
    assert not path.exists()


def test_the_vault_of_a_file_opens_what_it_sealed_before(path: Path) -> None:
    sealed = load_vault("", path).seal("secret", "table/column/row")
    assert load_vault("", path).open(sealed, "table/column/row") == "secret"


async def test_no_new_key_is_made_for_a_database_whose_key_file_is_lost(
    path: Path, database_url: str
) -> None:
    store = await Store.open(database_url, await open_vault(database_url, "", path))
    await store.platforms.put_direct(DIRECT)
    await store.close()
    lost = path.rename(path.with_name("lost"))
    with pytest.raises(ConfigError, match=f"key file {path} that opens them is gone; put it back"):
        await open_vault(database_url, "", path)
    assert not path.exists()
    lost.rename(path)
    store = await Store.open(database_url, await open_vault(database_url, "", path))
    assert list(await store.platforms.list_directs()) == [DIRECT]
    await store.close()


async def test_a_database_that_holds_no_secret_yet_gets_a_new_key(path: Path, database_url: str) -> None:
    await (await Store.open(database_url, await open_vault(database_url, "", path))).close()
    path.unlink()
    await (await Store.open(database_url, await open_vault(database_url, "", path))).close()
    assert path.exists()


@pytest.mark.unmigrated
async def test_to_ask_for_the_keys_makes_no_database(path: Path, sqlite_url: str, tmp_path: Path) -> None:
    await open_vault(sqlite_url, "", path)
    assert os.listdir(tmp_path) == ["wxgate.key"]


def test_a_changed_file_is_taken_up_by_those_who_have_it_open(path: Path) -> None:
    running = load_vault("", path)
    before = running.seal("secret", "place")
    new = change_key_file(path, KeyRing.with_new).names[-1]
    assert running.ring.names[-1] == new
    change_key_file(path, lambda ring: ring.led_by(new))
    other = load_vault("", path)
    assert running.open(other.seal("fresh", "place"), "place") == "fresh"
    assert other.open(running.seal("mine", "place"), "place") == "mine"
    assert running.seal("mine", "place")[1:5].hex() == new
    assert running.open(before, "place") == "secret"


def test_a_file_that_is_damaged_or_of_another_gateway_leaves_the_keys_that_are_in_use(
    path: Path, tmp_path: Path
) -> None:
    running = load_vault("", path)
    whole, names = path.read_text(), running.ring.names
    path.write_text("0badc0de:damaged")
    assert running.ring.names == names
    stranger = KeyRing.generate()
    path.write_text(stranger.encode())
    assert running.ring.names == names
    assert running.open(running.seal("secret", "place"), "place") == "secret"
    path.unlink()
    assert running.ring.names == names
    path.write_text(whole)
    path.chmod(0o644)
    assert running.ring.names == names


def test_a_changed_file_is_still_for_its_owner_only(path: Path) -> None:
    load_key_file(path)
    change_key_file(path, KeyRing.with_new)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    before = load_key_file(path)
    with pytest.raises(ConfigError, match="make another one current first"):
        change_key_file(path, lambda ring: ring.without(before.names[0]))
    assert load_key_file(path) == before
    assert os.listdir(path.parent) == ["wxgate.key"]
