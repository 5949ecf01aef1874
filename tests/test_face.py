"""The public face: what `import wxgate` promises."""

import subprocess
import sys

import pytest

import wxgate


def test_every_promised_name_can_be_used() -> None:
    for name in wxgate.__all__:
        assert getattr(wxgate, name) is not None, name


def test_the_promise_is_sorted_and_complete() -> None:
    assert wxgate.__all__ == sorted(wxgate.__all__)
    assert set(wxgate._HOMES) | {"__version__"} == set(wxgate.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        getattr(wxgate, "nothing")  # noqa: B009 - as a plain attribute the type checker refuses it, as it should


def test_the_codec_loads_without_the_database() -> None:
    """The emulator and other programs use the codec alone; it must not drag the whole gateway in."""
    program = (
        "import sys, wxgate.protocol.envelope; print('sqlalchemy' in sys.modules, 'starlette' in sys.modules)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed.split() == ["False", "False"]
