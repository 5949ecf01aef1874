"""Settings: one table, clear refusals."""

from pathlib import Path

import pytest

from wxgate.errors import ConfigError
from wxgate.settings import PREFIX, Settings, load_settings, settings_table


@pytest.fixture(autouse=True)
def _no_settings_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is the input under test here."""
    monkeypatch.chdir(tmp_path)
    for row in settings_table():
        monkeypatch.delenv(row.variable, raising=False)


def test_every_setting_is_explained() -> None:
    for row in settings_table():
        assert row.help.endswith("."), row.name
        assert row.variable == PREFIX + row.name.upper()


def test_flags_win_over_environment_and_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wxgate.env").write_text("WXGATE_PORT=1001\nWXGATE_HOST=10.0.0.1\nWXGATE_WORKERS=2\n")
    monkeypatch.setenv("WXGATE_PORT", "1002")
    monkeypatch.setenv("WXGATE_HOST", "10.0.0.2")

    settings = load_settings(port=1003, host=None)

    assert (settings.port, settings.host, settings.workers) == (1003, "10.0.0.2", 2)


def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WXGATE_PORT", "many")

    with pytest.raises(ConfigError, match="WXGATE_PORT"):
        load_settings()


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wxgate.env").write_text("WXGATE_PROT=1\n")

    with pytest.raises(ConfigError, match="no such setting"):
        load_settings()


@pytest.mark.parametrize("url", ["wx.example.com", "ftp://wx.example.com", "https://", "https://a/?b=c"])
def test_an_address_must_be_a_plain_one(url: str) -> None:
    with pytest.raises(ConfigError, match="WXGATE_PUBLIC_BASE_URL"):
        load_settings(public_base_url=url)


def test_a_trailing_slash_is_dropped() -> None:
    assert (
        load_settings(public_base_url="https://wx.example.com/").public_base_url == "https://wx.example.com"
    )


def test_sealing_keys_do_not_show() -> None:
    assert "abc:def" not in repr(Settings(keys="abc:def"))  # type: ignore[arg-type]


def test_proxies_are_addresses_or_networks() -> None:
    found = load_settings(trusted_proxies="10.0.0.1, 10.1.2.3/16, ::1,").proxies
    assert list(map(str, found)) == ["10.0.0.1/32", "10.1.0.0/16", "::1/128"]


@pytest.mark.parametrize("nonsense", ["*", "proxy.internal", "10.0.0.0/33", "10.0.0.1;10.0.0.2"])
def test_proxies_that_are_no_addresses_are_refused(nonsense: str) -> None:
    with pytest.raises(ConfigError, match=r"WXGATE_TRUSTED_PROXIES: .*10\.0\.0\.0/8"):
        load_settings(trusted_proxies=nonsense)


def test_passwords_inside_addresses_do_not_show() -> None:
    settings = load_settings(
        database_url="postgresql://u:hidden-db@db/wxgate", outbound_proxy="http://u:hidden-proxy@proxy:3128"
    )
    assert "hidden" not in repr(settings) + str(settings)
