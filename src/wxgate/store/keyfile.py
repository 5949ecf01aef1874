"""Where the sealing keys come from: the setting, or a file only its owner can read."""

import os
import stat
from pathlib import Path

import structlog

from wxgate.custody.vault import KeyRing, Vault
from wxgate.errors import ConfigError

log = structlog.get_logger("wxgate.keys")


def load_vault(keys: str, key_file: Path) -> Vault:
    """Open the vault with the keys of the setting, else of the key file, made at first start."""
    return Vault(KeyRing.parse(keys) if keys else load_key_file(key_file))


def load_key_file(path: Path) -> KeyRing:
    """Load the key file, or make it; of two processes that start at once, both end with the same keys."""
    try:
        text = _read(path)
    except FileNotFoundError:
        text = _make(path)
    return KeyRing.parse(text)


def _make(path: Path) -> str:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    ring = KeyRing.generate().encode()
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot write the key file {path}: {error.strerror}; set WXGATE_KEY_FILE or WXGATE_KEYS"
        ) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(ring + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link appears whole or not at all, and only if nobody else's is there.
            os.link(draft, path)
            log.warning(
                "keys.made", path=str(path), hint="back it up: without it the database cannot be read"
            )
        except FileExistsError:
            pass
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    with path.open() as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ConfigError(f"the key file {path} can be read by others; run: chmod 600 {path}")
        return file.read().strip()
