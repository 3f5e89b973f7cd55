"""The pages that show the OpenAPI document: all that they load is here, as their policy for content demands."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from server.prompt import PromptRenderer
from tests.server.running import Running, running

PAGES = ("/docs", "/redoc")
# In scripts: what is loaded has one of these before it.
LOADING = re.compile(
    r"""(?:\bfetch\(|\bimport\(|\bimportScripts\(|new\s+Worker\(|\.src\s*=|\bfrom\s?)\s*["'`](https?:)?//"""
)


class Links(HTMLParser):
    """What a page loads and points to, and what stands in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.inline: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.found += [(tag, value or "") for name, value in attrs if name in ("src", "href")]
        self.found += [(tag, value or "") for name, value in attrs if name == "spec-url"]
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)


async def loaded(run: Running, page: str, prefix: str = "") -> dict[str, str]:
    """Address -> text of everything that a page loads from here."""
    text = (await run.client.get(page)).text
    links = Links()
    links.feed(text)
    assert links.inline == [], "the policy runs no script and no style that stands in the page"
    found = {}
    for _, link in links.found:
        if link.startswith("data:"):
            continue
        address = urljoin(f"http://here{prefix}{page}", link)
        assert urlsplit(address).netloc == "here"
        assert address.startswith(f"http://here{prefix}/")
        reply = await run.client.get(urlsplit(address).path.removeprefix(prefix))
        assert reply.status_code == 200, address
        found[address] = reply.text
    return found


@pytest.mark.parametrize("prefix", ["", "/below/a/proxy"])
@pytest.mark.parametrize("page", PAGES)
async def test_all_it_loads_is_on_this_server(
    renderer: PromptRenderer, page: str, prefix: str
) -> None:
    async with running(renderer) as run:
        found = await loaded(run, page, prefix)
        assert len([address for address in found if address.endswith(".js")]) >= 1
        for address, text in found.items():
            if not address.endswith("openapi.json"):
                assert LOADING.search(text) is None, address
                assert "@import" not in text, address
                assert not re.search(r"url\(\s*[\"']?(https?:)?//", text), address


async def test_swagger_ui_is_started_with_the_document_of_this_server(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer) as run:
        started = (await run.client.get("/docs/start.js")).text
        assert '"openapi.json"' in started
        assert "validatorUrl: null" in started, "the page would ask swagger.io for its opinion"
        bundle = (await run.client.get("/docs/swagger-ui-bundle.js")).text
        assert "SwaggerUIBundle" in bundle
        assert "Redoc" in (await run.client.get("/redoc/redoc.standalone.js")).text


@pytest.mark.parametrize("page", PAGES)
async def test_the_policy_lets_in_this_server_only(renderer: PromptRenderer, page: str) -> None:
    async with running(renderer) as run:
        reply = await run.client.get(page)
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        policy = dict(
            rule.strip().split(" ", 1)
            for rule in reply.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["connect-src"] == "'self'"
        allowed = {word for words in policy.values() for word in words.split()}
        assert allowed == {"'none'", "'self'", "'unsafe-inline'", "data:", "blob:"}
        assert "'unsafe-inline'" not in policy["script-src"]
        assert reply.headers["x-content-type-options"] == "nosniff"


async def test_files_have_their_types_and_there_are_no_others(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        types = {
            "/docs/swagger-ui.css": "text/css; charset=utf-8",
            "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
            "/docs/start.js": "text/javascript; charset=utf-8",
            "/redoc/redoc.standalone.js": "text/javascript; charset=utf-8",
            "/redoc/logo-mini.svg": "image/svg+xml",
        }
        for path, media_type in types.items():
            assert (await run.client.get(path)).headers["content-type"] == media_type
        for path in ("/docs/LICENSE", "/docs/..%2F..%2Fmetadata", "/redoc/swagger-ui.css"):
            reply = await run.client.get(path)
            assert (reply.status_code, reply.json()["error"]["type"]) == (
                404,
                "invalid_request_error",
            )


async def test_they_need_a_key_where_there_are_keys(renderer: PromptRenderer) -> None:
    async with running(renderer, api_key=("k",)) as run:
        for path in (*PAGES, "/openapi.json", "/docs/start.js"):
            assert (await run.client.get(path)).status_code == 401
            headers = {"Authorization": "Bearer k"}
            assert (await run.client.get(path, headers=headers)).status_code == 200
