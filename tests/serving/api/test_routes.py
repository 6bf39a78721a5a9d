"""Who may call what, for every route there is: a new route fails here until it is decided."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from serving.store.records import Role

ROLES: tuple[Role, ...] = ("clinician", "annotator", "admin", "auditor")
CLINICIAN: set[Role] = {"clinician"}
TAGGER: set[Role] = {"clinician", "annotator"}
EXPORTER: set[Role] = {"annotator", "admin"}
ADMIN: set[Role] = {"admin"}
ALL = set(ROLES)

NOTES = [{"note_id": "1", "category": "Nursing", "charted_at": "", "text": "No chest pain."}]
TABLE: dict[tuple[str, str], tuple[set[Role], dict[str, object] | None]] = {
    ("POST", "/api/draft"): (CLINICIAN, {"hadm_id": "1", "notes": NOTES}),
    ("POST", "/api/ask"): (CLINICIAN, {"question": "What helps?"}),
    ("POST", "/api/tag"): (TAGGER, {"text": "ache"}),
    ("POST", "/api/ratings"): (TAGGER, {"output_id": "x", "score": 3}),
    ("GET", "/api/ratings"): (EXPORTER, None),
    ("GET", "/api/models"): (ALL, None),
    ("POST", "/api/models/{folder}/load"): (ADMIN, {}),
    ("POST", "/api/models/assign"): (ADMIN, {"alias": "discharge", "model": None}),
    ("POST", "/api/models/{name}/unload"): (ADMIN, {}),
}
OPEN = {"/healthz", "/readyz", "/metrics", "/docs", "/docs/{name}", "/openapi.json"}


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    spec = app.openapi()["paths"]
    return {(method.upper(), path) for path, methods in spec.items() for method in methods}


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    documented = {r for r in routes_of(app) if r[1] not in OPEN}
    assert documented == set(TABLE)
    hidden = {r.path for r in app.routes if isinstance(r, APIRoute) and not r.include_in_schema}
    assert hidden <= OPEN


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
async def test_without_credentials(anyone: httpx.AsyncClient, route: tuple[str, str]) -> None:
    response = await anyone.request(*route, json=TABLE[route][1])
    assert response.status_code == 401
    assert response.json()["error"]["kind"] == "NotSignedIn"


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", TABLE, ids=" ".join)
async def test_with_each_role(
    app: FastAPI,
    as_role: Callable[[Role], httpx.AsyncClient],
    route: tuple[str, str],
    role: Role,
    loopback: bool,
) -> None:
    app.state.loopback = loopback
    allowed, body = TABLE[route]
    client = as_role(role)
    response = await client.request(*route, json=body, headers={"accept": "application/json"})
    if role in allowed or (loopback and role == "admin"):
        assert response.status_code in (200, 201, 404)  # 404: no such output to rate
    else:
        assert response.status_code == 403
        assert response.json()["error"]["kind"] == "NotAllowed"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/docs", "/openapi.json"])
async def test_open_routes(anyone: httpx.AsyncClient, path: str) -> None:
    assert (await anyone.get(path)).status_code == 200


async def test_a_cookie_works_for_the_api_too(
    anyone: httpx.AsyncClient, session_cookie: str
) -> None:
    headers = {"cookie": f"rounds_session={session_cookie}"}
    assert (await anyone.get("/api/models", headers=headers)).status_code == 200
    foreign = headers | {"origin": "http://evil.example"}
    response = await anyone.post("/api/models/x/load", headers=foreign)
    assert response.status_code == 403
