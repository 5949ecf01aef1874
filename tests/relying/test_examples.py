"""The examples of the guide, run as the guide says, do what they show."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Harness
from tests.login.scene import CLIENT_SECRET, Scene, set_scene
from tests.relying.parties import issuer, register
from tests.relying.shop import address
from tests.servers.processes import ServerProcess, free_port

EXAMPLES = Path(__file__).parents[2] / "examples"

COMMANDS = {
    "fastapi": ["-m", "uvicorn", "login_fastapi:app", "--port", "{port}"],
    "flask": ["-m", "flask", "--app", "login_flask", "run", "--port", "{port}"],
    "django": ["login_django.py", "runserver", "--noreload", "{port}"],
}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A realm with all its apps."""
    async with Harness(tmp_path) as world:
        yield await set_scene(world)


@pytest.mark.parametrize("framework", COMMANDS)
async def test_an_example_logs_people_in(scene: Scene, tmp_path: Path, framework: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    told = {
        "ISSUER": issuer(scene),
        "CLIENT_ID": await register(scene, f"{url}/wechat/callback", name=framework),
        "CLIENT_SECRET": CLIENT_SECRET.reveal(),
        "SECRET_KEY": "any long text that nobody else knows",
        "BASE_URL": url,
    }
    command = [sys.executable, *COMMANDS[framework]]
    log = tmp_path / "example.log"
    site = ServerProcess(command, log_file=log, ready=f"{url}/", env=told, cwd=EXAMPLES, port=port)
    try:
        await site.start()
        browser = scene.wechat(await scene.person("小明"), lang="en")
        chinese = await browser.fetch(f"{url}/", Accept_Language="zh-CN,zh;q=0.9")
        assert ('<html lang="zh-CN">' in chinese.text, "您还没有登录" in chinese.words) == (True, True)
        page = await browser.get(url)
        assert '<html lang="en">' in page.text
        # A page without it is as wide as a desk in WeChat's browser.
        assert 'name="viewport" content="width=device-width' in page.text
        assert "whoever you are" in page.words
        [login] = page.links
        page = await browser.click(login)
        assert address(page) == f"{url}/orders"
        sub = page.words.partition("The orders of ")[2].rstrip(".")
        assert sub.startswith("u_")

        paid = await browser.fetch(f"{url}/pay", "POST")
        assert paid.json == {"paid_by": sub}
        await browser.get(f"{url}/profile")
        page = await browser.press("allow")
        assert "Hello 小明!" in page.words

        browser.switch_account(await scene.person("小红"))
        assert (await browser.fetch(f"{url}/pay", "POST")).status == 401
        page = await browser.get(f"{url}/orders")
        assert "The orders of u_" in page.words
        assert sub not in page.words
        [logout] = (await browser.get(url)).links
        assert logout == f"{url}/wechat/logout"
    finally:
        site.kill()
        print(site.output())
