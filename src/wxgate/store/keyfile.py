"""Where the sealing keys come from: the setting, or a file only its owner can read."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import structlog

from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import BadKey, ConfigError

log = structlog.get_logger("wxgate.keys")


def load_vault(keys: str, key_file: Path) -> Vault:
    """Open the vault with the keys of the setting, else of the key file, made at first start."""
    return Vault(KeyRing.parse(keys) if keys else load_key_file(key_file))


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


def _make(path: Path) -> None:
    """Write a new ring under another name, which nobody reads, and link it to its own once it is whole."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(KeyRing.generate().encode() + "\n")
            file.flush()
            os.fsync(file.fileno())
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
