"""/docs without the internet: Swagger UI's files come from the package fastapi-offline.

FastAPI's own page loads them from a public host and starts them by an inline script; both are
against our content security policy.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse

from serving.errors import NotFound
from serving.notice import NOTICE

router = APIRouter(include_in_schema=False)

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Rounds API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<p>{NOTICE}</p>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_OURS = Path(__file__).parent / "static"
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "start.js")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the API, with forms to try it."""
    return HTMLResponse(_PAGE)


@router.get("/docs/{name}")
async def asset(name: str) -> FileResponse:
    """Serve one of the page's three files."""
    if name not in _FILES:
        raise NotFound("There is no such file.")
    swagger = Path(str(files("fastapi_offline").joinpath("static")))
    return FileResponse((_OURS if name == "start.js" else swagger) / name)
