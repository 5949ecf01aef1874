"""A site in FastAPI whose visitors log in with WeChat.

ISSUER, CLIENT_ID and CLIENT_SECRET are what `wxgate login client add` prints, SECRET_KEY is any long text:

    uvicorn login_fastapi:app --port 8080
"""

from html import escape
from os import environ
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse

from wxgate.sdk.login import Person
from wxgate.sdk.login.starlette import WeChatLogin, required

app = FastAPI()
app.add_middleware(
    WeChatLogin,
    issuer=environ["ISSUER"],
    client_id=environ["CLIENT_ID"],
    client_secret=environ["CLIENT_SECRET"],
    secret_key=environ["SECRET_KEY"],
    base_url=environ.get("BASE_URL", "http://127.0.0.1:8080"),
)


PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>晨光</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
{body}"""


def page(request: Request, zh: str, en: str) -> str:
    """Make a page that fits a phone, in the visitor's language."""
    chinese = request.headers.get("accept-language", "").startswith("zh")
    return PAGE.format(lang="zh-CN" if chinese else "en", body=zh if chinese else en)


@app.get("/", response_class=HTMLResponse)
async def home(request: Request) -> str:
    """Greet anybody, and offer the right button."""
    wechat = request.state.wechat
    if wechat.person is None:
        url = escape(wechat.login_url("/orders"))
        return page(
            request,
            f'<p>您好，您还没有登录。</p><a href="{url}">微信登录</a>',
            f'<p>Hello, whoever you are.</p><a href="{url}">Log in</a>',
        )
    sub, url = escape(wechat.person.sub), wechat.logout_url
    return page(
        request,
        f'<p>您好，{sub}。</p><a href="{url}">退出登录</a>',
        f'<p>Hello {sub}.</p><a href="{url}">Log out</a>',
    )


@app.get("/orders", response_class=HTMLResponse)
async def orders(request: Request, person: Annotated[Person, Depends(required())]) -> str:
    """Show what belongs to somebody; in WeChat they are logged in without noticing."""
    sub = escape(person.sub)
    return page(request, f"<p>{sub} 的订单。</p>", f"<p>The orders of {sub}.</p>")


@app.get("/profile", response_class=HTMLResponse)
async def profile(request: Request, person: Annotated[Person, Depends(required("consent"))]) -> str:
    """Greet by nickname, which takes the visitor's consent."""
    name, picture = escape(person.name), f'<img src="{escape(person.picture)}" alt="">'
    return page(request, f"<p>您好，{name}！</p>{picture}", f"<p>Hello {name}!</p>{picture}")


@app.post("/pay")
async def pay(person: Annotated[Person, Depends(required(max_age=300))]) -> dict[str, str]:
    """Do what needs a fresh proof; the page's script is answered 401 with an address to open."""
    return {"paid_by": person.sub}
