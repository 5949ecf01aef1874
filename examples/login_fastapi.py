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


@app.get("/", response_class=HTMLResponse)
async def home(request: Request) -> str:
    """Greet anybody, and offer the right button."""
    wechat = request.state.wechat
    if wechat.person is None:
        return f'<p>Hello, whoever you are.</p><a href="{escape(wechat.login_url("/orders"))}">Log in</a>'
    return f'<p>Hello {escape(wechat.person.sub)}.</p><a href="{wechat.logout_url}">Log out</a>'


@app.get("/orders", response_class=HTMLResponse)
async def orders(person: Annotated[Person, Depends(required())]) -> str:
    """Show what belongs to somebody; in WeChat they are logged in without noticing."""
    return f"<p>The orders of {escape(person.sub)}.</p>"


@app.get("/profile", response_class=HTMLResponse)
async def profile(person: Annotated[Person, Depends(required("consent"))]) -> str:
    """Greet by nickname, which takes the visitor's consent."""
    return f'<p>Hello {escape(person.name)}!</p><img src="{escape(person.picture)}" alt="">'


@app.post("/pay")
async def pay(person: Annotated[Person, Depends(required(max_age=300))]) -> dict[str, str]:
    """Do what needs a fresh proof; the page's script is answered 401 with an address to open."""
    return {"paid_by": person.sub}
