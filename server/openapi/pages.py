"""`/openapi.json`, and the pages that show it: `/docs` (Swagger UI) and `/redoc`. All they load is on this server.

Links are relative, so the pages work below a path of a proxy's too.
"""

import asyncio
from importlib.resources import as_file, files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from ..catalog import Catalog
from ..errors import UnknownPath
from ..routes.context import Server, catalog_of, server_of
from .document import ServerFacts, document_text

router = APIRouter()

# Swagger UI and Redoc as their makers publish them, from a package of files.
with as_file(files("fastapi_standalone_docs")) as _package:
    _STATIC = Path(_package) / "static"
_FILES = {
    "docs/swagger-ui-bundle.js": _STATIC / "swagger" / "swagger-ui-bundle.js",
    "docs/swagger-ui.css": _STATIC / "swagger" / "swagger-ui.css",
    "redoc/redoc.standalone.js": _STATIC / "redoc" / "redoc.standalone.js",
    "redoc/logo-mini.svg": _STATIC / "redoc" / "logo-mini.svg",
}
# Ours; the policy allows no script inside the page.
_START = """\
SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "list", validatorUrl: null});
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>endturn</title>{head}</head>
<body>{body}</body>
</html>
"""
_SWAGGER_UI = _PAGE.format(
    head='<link rel="icon" href="data:,"><link rel="stylesheet" href="docs/swagger-ui.css">',
    body='<div id="swagger-ui"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script>',
)
_REDOC = _PAGE.format(
    head='<link rel="icon" href="data:,">',
    body='<redoc spec-url="openapi.json" hide-loading></redoc><script src="redoc/redoc.standalone.js"></script>',
)
# Both write style elements; Redoc searches in a worker that it makes of its own text.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    facts = server_facts(server_of(request), catalog_of(request))
    text = await asyncio.to_thread(document_text, facts)
    return Response(text, media_type="application/json")


@router.get("/docs")
async def docs() -> Response:
    """The document in Swagger UI."""
    return HTMLResponse(_SWAGGER_UI, headers=_HEADERS)


@router.get("/redoc")
async def redoc() -> Response:
    """The document in Redoc."""
    return HTMLResponse(_REDOC, headers=_HEADERS)


@router.get("/docs/start.js")
async def start() -> Response:
    """What starts Swagger UI."""
    return Response(_START, media_type="text/javascript", headers=_HEADERS)


@router.get("/docs/{name}")
@router.get("/redoc/{name}")
async def loaded_file(request: Request, name: str) -> Response:
    """A file that a page loads."""
    path = _FILES.get(request.url.path.lstrip("/"))
    if path is None:
        raise UnknownPath(f"{name:.200}: there is no such file", status=404)
    return FileResponse(path, headers={**_HEADERS, "Cache-Control": "max-age=3600"})


def server_facts(server: Server, catalog: Catalog) -> ServerFacts:
    """What of `server` shows in its document, to one who may see the models of `catalog`."""
    # An adapter is what this server is for; and a base may have no chat template.
    models = sorted(catalog, key=lambda model: (model.template is None, model.profile is None))
    return ServerFacts(
        model=models[0].name if models else "MODEL",
        has_keys=server.keys is not None,
        unknown_fields=not server.settings.refuse_unknown_fields,
    )
