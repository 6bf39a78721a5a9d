"""The gate over a bare app: names, origins, people."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serving.accounts.gate import COOKIE, Gate
from serving.accounts.sign_in import create_token, local_account, sign_in, sign_out, signin_link
from serving.errors import StoreUnavailable
from serving.store import Store

HOSTS = frozenset({"127.0.0.1:7860", "localhost:7860", "[::1]:7860"})
BASE = "http://127.0.0.1:7860"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/rounds.db")
    store.migrate()
    return store


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async def who(request: Request) -> JSONResponse:
        account = request.scope["state"]["account"]
        return JSONResponse({"who": account and account.name})

    methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
    inner = Starlette(routes=[Route("/{path:path}", who, methods=methods)])
    app = Gate(inner, store, HOSTS, "<h1>sign in</h1>")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@pytest.fixture
def cookie(store: Store) -> dict[str, str]:
    secret = sign_in(store, signin_link(store, BASE).split("code=")[1])
    assert secret is not None
    return {"cookie": f"other=1; {COOKIE}={secret}"}


@pytest.fixture
def bearer(store: Store) -> dict[str, str]:
    secret, _ = create_token(store, local_account(store), "t")
    return {"authorization": f"Bearer {secret}"}


async def test_strangers_get_401_in_the_form_they_read(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.text) == (401, "<h1>sign in</h1>")
    api = await client.post("/api/draft", headers={"accept": "text/html"})
    assert api.status_code == 401
    assert api.json()["error"]["kind"] == "NotSignedIn"
    assert (await client.get("/gradio_api/info")).status_code == 401


async def test_a_cookie_and_a_token_let_in(
    client: httpx.AsyncClient, cookie: dict[str, str], bearer: dict[str, str]
) -> None:
    for headers in (cookie, bearer):
        assert (await client.get("/", headers=headers)).json() == {"who": "local"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer rnd_wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic dTpw"},
        {"cookie": f"{COOKIE}=wrong"},
        {"cookie": f"{COOKIE}=\x7f;;;==="},
    ],
)
async def test_wrong_credentials_do_not(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/api/models", headers=headers)).status_code == 401


async def test_a_wrong_token_is_not_rescued_by_a_cookie(
    client: httpx.AsyncClient, cookie: dict[str, str]
) -> None:
    headers = {**cookie, "authorization": "Bearer rnd_wrong"}
    assert (await client.get("/", headers=headers)).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1:9999", "", "0"])
async def test_a_rebound_name_is_refused_even_with_the_cookie(
    client: httpx.AsyncClient, cookie: dict[str, str], host: str
) -> None:
    for path in ("/", "/healthz", "/signin"):
        response = await client.get(path, headers={**cookie, "host": host})
        assert response.status_code == 400


@pytest.mark.parametrize("host", ["LOCALHOST:7860", "[::1]:7860"])
async def test_our_other_names_work(
    client: httpx.AsyncClient, cookie: dict[str, str], host: str
) -> None:
    response = await client.get("/", headers={**cookie, "host": host})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:8888", "http://localhost:7860", "null"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_foreign_origin_is_refused(
    client: httpx.AsyncClient, cookie: dict[str, str], origin: str, method: str
) -> None:
    response = await client.request(method, "/api/ratings", headers={**cookie, "origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


async def test_our_own_origin_passes(client: httpx.AsyncClient, cookie: dict[str, str]) -> None:
    response = await client.post("/api/x", headers={**cookie, "origin": BASE})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "navigate", 200),
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
async def test_a_browser_that_says_the_request_comes_from_elsewhere(
    client: httpx.AsyncClient, cookie: dict[str, str], site: str, mode: str, status: int
) -> None:
    headers = {**cookie, "sec-fetch-site": site, "sec-fetch-mode": mode}
    assert (await client.get("/x", headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["/signin", "/healthz", "/readyz", "/metrics", "/docs/a.js"])
async def test_open_paths(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).json() == {"who": None}


@pytest.mark.parametrize("path", ["/docsx", "/healthz/", "/signin/x", "//healthz", "/x/docs/y"])
async def test_nothing_beside_them_is_open(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://elsewhere.example/x",
        "/gradio_api/file=http%3A//elsewhere.example/x",
        "/gradio_api/proxy=https://elsewhere.example/x",
    ],
)
async def test_nothing_is_fetched_from_elsewhere(
    client: httpx.AsyncClient, cookie: dict[str, str], path: str
) -> None:
    assert (await client.get(path, headers=cookie)).status_code == 403


async def test_signing_out_ends_it(
    client: httpx.AsyncClient, cookie: dict[str, str], store: Store
) -> None:
    sign_out(store, cookie["cookie"].split("=")[-1])
    assert (await client.get("/", headers=cookie)).status_code == 401


async def test_a_store_that_is_gone_is_told_and_lets_nobody_in(
    client: httpx.AsyncClient,
    cookie: dict[str, str],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_args: object, **_kwargs: object) -> None:
        raise StoreUnavailable("The database cannot be reached.")

    monkeypatch.setattr(store.accounts, "by_session", gone)
    response = await client.get("/api/models", headers=cookie)
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "The database cannot be reached."
