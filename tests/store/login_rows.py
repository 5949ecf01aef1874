"""One of everything that login keeps, for the suites of its store."""

from datetime import timedelta

from tests.store.moments import NOW, after
from wxgate.login.records import (
    Acr,
    App,
    AppKind,
    Attempt,
    Client,
    Goal,
    Grant,
    GrantKind,
    IdentityKind,
    LoginCode,
    Mode,
    Name,
    Outcome,
    Purpose,
    Realm,
    Scan,
    Session,
    SessionLimits,
    SigningKey,
)
from wxgate.secret import AppSecret, Secret
from wxgate.store import Store
from wxgate.store.login_tables import subjects
from wxgate.store.upsert import insert_for

REALM = Realm(
    name="shops",
    title="商城",
    created_at=NOW,
    silent=False,
    unionid_backfill=True,
    return_to=("https://shop.example", "https://other.example/back"),
    limits=SessionLimits(timedelta(days=1), timedelta(days=10), timedelta(minutes=30)),
)

APP = App(
    name="shop-web",
    realm="shops",
    kind=AppKind.WEBSITE,
    appid="wxsite",
    issuer="direct",
    title="商城网站",
    created_at=NOW,
    secret=AppSecret("website-secret"),
)

CLIENT = Client(
    id="wxcl_shop",
    realm="shops",
    name="订单系统",
    created_at=NOW,
    secret_hash="5" * 64,
    redirect_uris=("https://shop.example/callback",),
    post_logout_redirect_uris=("https://shop.example/bye",),
    backchannel_logout_uri="https://shop.example/logout",
    pairwise=True,
    sector="shop.example",
    grants=frozenset({"authorization_code", "refresh_token"}),
    scopes=frozenset({"openid", "wechat"}),
    require_pkce=False,
    algorithm="ES256",
    limits=SessionLimits(idle=timedelta(hours=2)),
    disabled_at=after(60),
)

OPENID = Name(IdentityKind.OPENID, "wxsite", "o-anna")
UNIONID = Name(IdentityKind.UNIONID, "shops", "u-anna")

ATTEMPT = Attempt(
    state_hash="a" * 64,
    browser_hash="b" * 64,
    realm="shops",
    app="shop-web",
    mode=Mode.QR,
    goal=Goal(Purpose.HANDOVER, {"return_to": "https://shop.example/购物"}),
    started_at=NOW,
    expires_at=after(600),
    restarts=1,
    tapped=True,
)

OUTCOME = Outcome(
    "session",
    "https://shop.example/?wx_code=the-handed-code",
    Secret("the-session-id"),
    Secret("the-presence"),
)

SESSION = Session(
    id_hash="1" * 64,
    presence_hash="2" * 64,
    realm="shops",
    sub="u_anna",
    app="shop-web",
    appid="wxsite",
    openid="o-anna",
    acr=Acr.SCAN,
    mode=Mode.QR,
    started_at=NOW,
    proved_at=NOW,
    seen_at=NOW,
    expires_at=after(3600),
    sid="sid-1",
    unionid="u-anna",
    agent="MicroMessenger/8",
    address="2001:db8::1",
)

CODE = LoginCode(
    code_hash="c" * 64,
    purpose=Purpose.OIDC,
    realm="shops",
    client="wxcl_shop",
    sub="u_anna",
    sid="sid-1",
    family="family-1",
    data={"nonce": "n", "redirect_uri": "https://shop.example/callback"},
    issued_at=NOW,
    expires_at=after(60),
)

ACCESS = Grant(
    token_hash="d" * 64,
    kind=GrantKind.ACCESS,
    family="family-1",
    realm="shops",
    client="wxcl_shop",
    sub="u_anna",
    sid="sid-1",
    scope="openid profile",
    issued_at=NOW,
    expires_at=after(3600),
    data={"acr": "urn:wxgw:scan"},
)

SIGNING_KEY = SigningKey(
    kid="2026-03",
    realm="shops",
    algorithm="RS256",
    public={"kty": "RSA", "n": "public"},
    private=Secret("the-private-key"),
    created_at=NOW,
    signs_from=after(86400),
)

SCAN = Scan(
    id="scan-1",
    scene_hash="e" * 64,
    browser_hash="f" * 64,
    realm="shops",
    app="shop",
    appid="wxaccount",
    number="42",
    goal=Goal(Purpose.PAGE, {"return_to": "/"}),
    asked_by={"site": "商城", "address": "192.0.2.1"},
    started_at=NOW,
    expires_at=after(300),
)


async def know(store: Store, *subs: str, realm: str = "shops") -> None:
    """Let there be subjects without a name: sessions are of subjects only."""
    rows = [{"realm": realm, "sub": sub, "created_at": NOW, "updated_at": NOW} for sub in subs]
    await store.database.batch(
        lambda connection: connection.execute(
            insert_for(connection, subjects).values(rows).on_conflict_do_nothing()
        )
    )


async def put_session(store: Store, session: Session = SESSION, *, instead_of: str | None = None) -> Session:
    """Keep a session of somebody who is known."""
    await know(store, session.sub, realm=session.realm)
    created = await store.login.sessions.create(session, instead_of=instead_of)
    assert created is not None
    return created.session
