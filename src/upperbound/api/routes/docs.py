"""The page on which the API can be read and tried; everything it takes comes from this server."""

from importlib import resources
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from upperbound.api.errors import ApiProblem

router = APIRouter(include_in_schema=False)

OPENAPI_URL: Final = "/api/openapi.json"
ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_START: Final = f"""\
window.ui = SwaggerUIBundle({{
  url: "{OPENAPI_URL}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
}});
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upperbound API</title>
<link rel="icon" href="/api/docs/favicon.png">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""


@router.get("/api/docs")
async def page() -> HTMLResponse:
    """Show the page."""
    return HTMLResponse(_PAGE)


@router.get("/api/docs/{name}")
async def asset(name: str) -> Response:
    """Return a part of the page."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in ASSETS:
        raise ApiProblem(404, "not_found", "the page has no such part")
    file = Path(str(resources.files("fastapi_offline") / "static" / name))
    return FileResponse(file, media_type=ASSETS[name], headers={"cache-control": "max-age=3600"})
