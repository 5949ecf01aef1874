"""Where the sealing keys come from: the setting, or a file only its owner can read."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import BadKey, ConfigError

log = structlog.get_logger("wxgate.keys")


def load_vault(keys: str, key_file: Path) -> Vault:
    """Open the vault with the keys of the setting, else of the key file, made at first start."""
    if keys:
        return Vault(KeyRing.parse(keys))
    ring = load_key_file(key_file)
    return Vault(ring, reread=KeyFileWatch(key_file, ring))


class KeyFileWatch:
    """Loads the key file again when it was changed; keys that cannot be of this gateway are not taken."""

    def __init__(self, path: Path, ring: KeyRing) -> None:
        self._path = path
        self._ring = ring
        self._seen: tuple[int, int, int] | None = None

    def __call__(self) -> KeyRing | None:
        """Return the ring of a changed file, or None; a file in trouble is told once and changes nothing."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            ring = KeyRing.parse(_read(self._path))
        except (OSError, UnicodeDecodeError, ConfigError):
            log.error("keys.file_unusable", path=str(self._path), hint="the keys before stay in use")
            return None
        if not ring.shares_a_key_with(self._ring):
            log.error("keys.file_foreign", path=str(self._path), hint="the keys before stay in use")
            return None
        self._ring = ring
        return ring


def load_key_file(path: Path) -> KeyRing:
    """Load the key file, or make it; of two processes that start at once, both end with the same keys."""
    try:
        try:
            text = _read(path)
        except FileNotFoundError:
            _make(path)
            text = _read(path)
    except OSError as error:
        raise ConfigError(
            f"cannot use the key file {path}: {error.strerror}; set WXGATE_KEY_FILE or WXGATE_KEYS"
        ) from None
    try:
        return KeyRing.parse(text)
    except BadKey as error:
        raise BadKey(f"the key file {path} is damaged: {error}; put your backup of it there") from None


def change_key_file(path: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Change the ring in a key file; readers see the old file or the new one, and changers take turns."""
    try:
        with _alone_in(path.parent):
            ring = change(KeyRing.parse(_read(path)))
            descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                _write(descriptor, ring)
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise
            _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(
            f"cannot change the key file {path}: {error.strerror}; run this where the file can be written"
        ) from None
    return ring


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(descriptor: int, ring: KeyRing) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(ring.encode() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _make(path: Path) -> None:
    """Write a new ring under another name, which nobody reads, and link it to its own once it is whole."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner only
    try:
        _write(descriptor, KeyRing.generate())
        with suppress(FileExistsError):
            # A link appears only if nobody else's is there.
            os.link(draft, path)
            _sync_folder(path.parent)
            log.warning(
                "keys.made", path=str(path), hint="back it up: without it the database cannot be read"
            )
    finally:
        os.unlink(draft)


def _sync_folder(folder: Path) -> None:
    """Make a new name outlive a power cut: the database is about to be sealed with what it names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    with path.open() as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ConfigError(f"the key file {path} can be read by others; run: chmod 600 {path}")
        return file.read().strip()
