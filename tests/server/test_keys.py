"""API keys over HTTP: what a key may see and use, its limits and headers, and what stays open."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
import yaml
from typer.testing import CliRunner

from server.cli.app import app
from server.prompt import PromptRenderer
from server.tenancy import digest_of, read_key_file
from tests.fakes import served
from tests.server.running import Running, running

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def key_file(path: Path, *keys: dict[str, Any]) -> Path:
    entries = [
        {**{k: v for k, v in key.items() if k != "key"}, "sha256": digest_of(key["key"])}
        for key in keys
    ]
    path.write_text(yaml.safe_dump({"keys": entries}))
    return path


async def chat(run: Running, key: str | None, model: str = "chat", **fields: Any) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    body = {"model": model, **CHAT, **fields}
    return await run.client.post("/v1/chat/completions", json=body, headers=headers)


async def models_of(run: Running, key: str) -> list[str]:
    reply = await run.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    return [entry["id"] for entry in reply.json()["data"]]


async def test_a_key_sees_and_uses_its_own_models(renderer: PromptRenderer, tmp_path: Path) -> None:
    path = key_file(
        tmp_path / "keys",
        {"name": "all", "key": "k-all"},
        {"name": "one", "key": "k-one", "adapters": ["chat", "gone"]},
    )
    models = (served(), served(name="other", label="other"))
    async with running(renderer, *models, api_key_file=path) as run:
        assert (await chat(run, None)).status_code == 401
        assert (await chat(run, "k-al")).status_code == 401
        assert (await chat(run, "k-one")).status_code == 200
        refused = await chat(run, "k-one", "other")
        unknown = await chat(run, "k-one", "nothing")
        assert refused.status_code == unknown.status_code == 404
        told = refused.json()["error"]["message"]
        assert told == unknown.json()["error"]["message"].replace("nothing", "other")
        assert (await chat(run, "k-all", "other")).status_code == 200
        assert await models_of(run, "k-one") == ["chat"]
        assert {"chat", "other", "base-model"} <= set(await models_of(run, "k-all"))
        headers = {"Authorization": "Bearer k-one"}
        one = await run.client.get("/v1/models/other", headers=headers)
        assert one.status_code == 404
        tokens = await run.client.post("/tokenize", json={"prompt": "a"}, headers=headers)
        assert tokens.status_code == 400
        assert "name one" in tokens.json()["error"]["message"]
        for path_without in ("/livez", "/readyz", "/health", "/version", "/metrics"):
            assert (await run.client.get(path_without)).status_code == 200


async def test_limits_are_told_and_kept(renderer: PromptRenderer, tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka", "requests_per_minute": 2})
    async with running(renderer, api_key_file=path) as run:
        first = await chat(run, "ka")
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert (await chat(run, "ka", stream=True)).status_code == 200
        over = await chat(run, "ka")
        assert over.status_code == 429
        assert 1 <= int(over.headers["Retry-After"]) <= 60
        assert over.json()["error"]["code"] == "rate_limit_exceeded"
        # Reading costs nothing.
        assert await models_of(run, "ka")
        url = f"{run.client.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="ka", max_retries=0) as client:
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(
                    model="chat", messages=[{"role": "user", "content": "hi"}]
                )


async def test_tokens_count_and_a_prompt_that_never_fits_is_told(
    renderer: PromptRenderer, tmp_path: Path
) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka", "tokens_per_minute": 60})
    async with running(renderer, api_key_file=path) as run:
        done = await chat(run, "ka")
        assert done.status_code == 200
        used = done.json()["usage"]["total_tokens"]
        again = await chat(run, "ka", max_tokens=1)
        if again.status_code == 200:
            left = int(again.headers["x-ratelimit-remaining-tokens"])
            assert left == 60 - used
        messages = [{"role": "user", "content": "long " * 60}]
        never = await chat(run, "ka", messages=messages)
        assert never.status_code == 429
        assert "tokens" in never.json()["error"]["message"]


async def test_requests_at_once_are_limited_and_freed(
    renderer: PromptRenderer, tmp_path: Path
) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka", "max_concurrent": 1})
    async with running(renderer, api_key_file=path) as run:
        replies = await asyncio.gather(*(chat(run, "ka") for _ in range(6)))
        codes = [reply.status_code for reply in replies]
        assert codes.count(200) >= 1
        assert set(codes) <= {200, 429}
        assert (await chat(run, "ka")).status_code == 200


async def test_a_key_may_not_switch_guards_off_nor_jump_the_queue(
    renderer: PromptRenderer, tmp_path: Path
) -> None:
    path = key_file(
        tmp_path / "keys",
        {"name": "a", "key": "ka", "allow_guards_off": False, "priority": 5},
        {"name": "b", "key": "kb"},
    )
    async with running(renderer, api_key_file=path) as run:
        off: dict[str, Any] = {"endturn": {"guards": False}}
        assert (await chat(run, "ka", **off)).status_code == 400
        assert (await chat(run, "kb", **off)).status_code == 200
        for asked, wanted in ((0, 5), (-3, 5), (9, 9)):
            await chat(run, "ka", priority=asked)
            assert run.engine.requests[-1].priority == wanted


async def test_a_key_given_by_itself_and_a_changed_file(
    renderer: PromptRenderer, tmp_path: Path
) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka"})
    async with running(renderer, api_key=("plain",), api_key_file=path) as run:
        assert (await chat(run, "plain")).status_code == 200
        assert run.server.keys is not None
        following = asyncio.create_task(run.server.keys.follow_file(interval_s=0.01))
        new = key_file(tmp_path / "new", {"name": "b", "key": "kb-rotated"})
        new.rename(path)
        async with asyncio.timeout(5):
            while (await chat(run, "kb-rotated")).status_code != 200:
                await asyncio.sleep(0.02)
        assert (await chat(run, "ka")).status_code == 401
        assert (await chat(run, "plain")).status_code == 200
        following.cancel()


def test_the_command_makes_a_key_that_the_file_takes(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["key", "team", "--admin", "--adapter", "support"])
    assert made.exit_code == 0
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n" + made.stdout)
    [tenant] = read_key_file(path)
    assert (tenant.name, tenant.admin, tenant.adapters) == ("team", True, ["support"])
    assert tenant.sha256 == digest_of(made.stderr.strip())
    wrong = CliRunner().invoke(app, ["key", "no spaces here"])
    assert wrong.exit_code == 2
    assert "name" in wrong.stderr
