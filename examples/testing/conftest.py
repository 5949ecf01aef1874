"""Give every test the world of wxgate.testing around the shop's gateway."""

import pytest
import shop

from wxgate import Gateway

pytest_plugins = ["wxgate.testing.fixtures"]


@pytest.fixture
def gateway() -> Gateway:
    """Name the gateway under test; the fixture `wechat` puts WeChat around it."""
    return shop.gateway
