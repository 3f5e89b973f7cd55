"""Adapters that come and go over HTTP: load, replace, fail, drain, unload; who may; what open requests keep."""

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine import EngineAdapter
from server.errors import EngineDeadError, StartError
from server.prompt import PromptRenderer
from server.served_model import ServedModel
from tests.fakes import EOS, ScriptedEngine, delta, served
from tests.server.running import Running, running

ADMIN = {"Authorization": "Bearer admin"}
GUEST = {"Authorization": "Bearer guest"}


def weights(name: str) -> EngineAdapter:
    return EngineAdapter(key=name, path=Path("/nowhere") / name, rank=8, num_bytes=100)


class Sources:
    """What the paths of load requests hold: an adapter each, or an error."""

    def __init__(self) -> None:
        self.found: dict[str, ServedModel | StartError] = {}
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def read(self, name: str, source: str) -> ServedModel:
        await self.may_read.wait()
        found = self.found.get(source, StartError(f"{source}: no such directory"))
        if isinstance(found, StartError):
            raise found
        return replace(found, name=name, label=name, root=source)


@pytest.fixture
def sources() -> Sources:
    made = Sources()
    for name in ("one", "two"):
        made.found[f"/adapters/{name}"] = served(name, adapter=weights(name))
    return made


def hosting(renderer: PromptRenderer, sources: Sources, **settings: Any) -> Any:
    return running(renderer, read=sources.read, **{"allow_adapter_updates": True, **settings})


async def load(run: Running, name: str, path: str, **more: Any) -> Any:
    body = {"lora_name": name, "lora_path": path, **more}
    return await run.client.post("/v1/load_lora_adapter", json=body)


async def unload(run: Running, name: str) -> Any:
    return await run.client.post("/v1/unload_lora_adapter", json={"lora_name": name})


async def entry(run: Running, name: str) -> dict[str, Any]:
    listed = (await run.client.get("/v1/adapters")).json()["data"]
    [found] = [adapter for adapter in listed if adapter["id"] == name]
    return dict(found)


async def names(run: Running) -> list[str]:
    return [model["id"] for model in (await run.client.get("/v1/models")).json()["data"]]


async def test_loaded_served_and_unloaded(renderer: PromptRenderer, sources: Sources) -> None:
    async with hosting(renderer, sources) as run:
        reply = await load(run, "mine", "/adapters/one")
        assert reply.status_code == 200
        assert reply.text == "Success: LoRA adapter 'mine' added successfully."
        [proof] = run.engine.requests
        assert proof.adapter == weights("one"), "it was not tried before it was served"
        assert "mine" in await names(run)
        assert (await run.chat(model="mine")).status_code == 200
        assert run.engine.requests[-1].adapter == weights("one")
        found = await entry(run, "mine")
        assert found["state"] == "ready"
        assert found["in_engine"] is True
        assert found["weights"] == {"sha256": "one", "rank": 8, "bytes": 100}
        assert found["last_used"] >= found["since"]
        labels = {"adapter": "mine", "state": "ready"}
        assert run.metric("endturn_adapter_state", **labels) == 1
        assert run.metric("endturn_adapter_load_seconds_count", adapter="mine") == 1

        assert (await unload(run, "mine")).text.startswith("Success")
        assert run.engine.removed == [weights("one")]
        assert "mine" not in await names(run)
        assert (await run.chat(model="mine")).status_code == 404
        assert (await entry(run, "mine"))["state"] == "unloaded"
        assert (await unload(run, "mine")).status_code == 404
        assert (await load(run, "mine", "/adapters/two")).status_code == 200


async def test_a_swap_is_atomic(renderer: PromptRenderer, sources: Sources) -> None:
    async with hosting(renderer, sources) as run:
        await load(run, "mine", "/adapters/one")
        assert (await load(run, "mine", "/adapters/two")).json()["error"][
            "code"
        ] == "adapter_exists"
        run.engine.enqueue(delta("o"), 0.5, delta("ld"), delta([EOS], "stop"))
        old = asyncio.create_task(run.chat(model="mine"))
        await run.until(lambda: len(run.engine.requests) == 2)
        assert (await load(run, "mine", "/adapters/two", load_inplace=True)).status_code == 200
        assert (await run.chat(model="mine")).status_code == 200
        assert run.engine.requests[-1].adapter == weights("two")
        assert run.engine.removed == [], "old weights left under an open request"
        assert (await old).json()["choices"][0]["message"]["content"] == "old"
        await run.until(lambda: run.engine.removed == [weights("one")])
        assert (await names(run)).count("mine") == 1


async def test_a_request_that_has_only_been_read_keeps_its_weights(
    renderer: PromptRenderer, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosting(renderer, sources) as run:
        await load(run, "mine", "/adapters/one")
        may_render, render = asyncio.Event(), PromptRenderer.render_chat

        async def slow(*args: Any, **options: Any) -> list[int]:
            await may_render.wait()
            return await render(*args, **options)

        monkeypatch.setattr(PromptRenderer, "render_chat", slow)
        waiting = asyncio.create_task(run.chat(model="mine"))
        await run.until(lambda: run.server.adapters._uses._used_by)
        leaving = asyncio.create_task(unload(run, "mine"))
        while (await entry(run, "mine"))["state"] != "draining":
            await asyncio.sleep(0.01)
        assert (await entry(run, "mine"))["in_flight"] == 1
        assert (await run.chat(model="mine")).status_code == 404
        may_render.set()
        assert (await waiting).status_code == 200
        assert (await leaving).text.startswith("Success")


async def test_a_drain_that_takes_too_long_goes_on_by_itself(
    renderer: PromptRenderer, sources: Sources
) -> None:
    async with hosting(renderer, sources, drain_timeout_s=0.05) as run:
        await load(run, "mine", "/adapters/one")
        run.engine.enqueue(0.6, delta("late"), delta([EOS], "stop"))
        open_request = asyncio.create_task(run.chat(model="mine"))
        await run.until(lambda: len(run.engine.requests) == 2)
        assert "1 are still being answered" in (await unload(run, "mine")).text
        assert run.engine.removed == []
        assert (await open_request).status_code == 200
        await run.until(lambda: run.engine.removed == [weights("one")])


async def test_what_fails_changes_nothing(renderer: PromptRenderer, sources: Sources) -> None:
    class Mute(ScriptedEngine):
        broken = "two"

        async def add_adapter(self, adapter: EngineAdapter) -> None:
            if adapter.key == self.broken:
                raise StartError("the engine refuses this adapter")
            await super().add_adapter(adapter)

    engine = Mute()
    async with running(
        renderer, read=sources.read, engine=engine, allow_adapter_updates=True
    ) as run:
        await load(run, "mine", "/adapters/one")
        for path, why in (("/nowhere", "no such directory"), ("/adapters/two", "refuses")):
            reply = await load(run, "mine", path, load_inplace=True)
            assert reply.status_code == 400
            assert why in reply.json()["error"]["message"]
            found = await entry(run, "mine")
            assert found["state"] == "ready"
            assert why in found["reason"]
        assert (await run.chat(model="mine")).status_code == 200
        assert engine.requests[-1].adapter == weights("one")
        reply = await load(run, "other", "/adapters/two")
        assert reply.json()["error"]["code"] == "adapter_refused"
        assert (await entry(run, "other"))["state"] == "failed"
        assert run.metric("endturn_adapter_state", adapter="other", state="failed") == 1
        assert (await run.chat(model="other")).status_code == 404
        assert "other" not in await names(run)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ([delta([], "stop")], "said nothing"),
        ([StartError("x")], "x"),
    ],
    ids=["silent", "broken"],
)
async def test_an_adapter_that_says_nothing_is_not_served(
    renderer: PromptRenderer, sources: Sources, script: list[Any], why: str
) -> None:
    async with hosting(renderer, sources) as run:
        run.engine.enqueue(*script)
        reply = await load(run, "mine", "/adapters/one")
        assert reply.status_code == 400
        assert why in reply.json()["error"]["message"]
        await run.until(lambda: run.engine.removed == [weights("one")])


async def test_two_changes_of_one_name_do_not_meet(
    renderer: PromptRenderer, sources: Sources
) -> None:
    async with hosting(renderer, sources) as run:
        sources.may_read.clear()
        first = asyncio.create_task(load(run, "mine", "/adapters/one"))
        while not (await run.client.get("/v1/adapters")).json()["data"]:
            await asyncio.sleep(0.01)
        assert (await entry(run, "mine"))["state"] == "loading"
        reply = await load(run, "mine", "/adapters/two")
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "adapter_busy")
        sources.may_read.set()
        assert (await first).status_code == 200


async def test_a_load_outlives_the_client_that_asked(
    renderer: PromptRenderer, sources: Sources
) -> None:
    async with hosting(renderer, sources) as run:
        sources.may_read.clear()
        asking = asyncio.create_task(load(run, "mine", "/adapters/one"))
        while not (await run.client.get("/v1/adapters")).json()["data"]:
            await asyncio.sleep(0.01)
        asking.cancel()
        sources.may_read.set()
        while (await entry(run, "mine"))["state"] != "ready":
            await asyncio.sleep(0.01)


async def test_two_names_share_weights(renderer: PromptRenderer, sources: Sources) -> None:
    async with hosting(renderer, sources) as run:
        for name in ("a", "b"):
            assert (await load(run, name, "/adapters/one")).status_code == 200
        assert run.engine.loaded == [weights("one")]
        await unload(run, "a")
        assert run.engine.removed == []
        assert (await run.chat(model="b")).status_code == 200
        await unload(run, "b")
        assert run.engine.removed == [weights("one")]


async def test_weights_that_cannot_come_back_are_told(
    renderer: PromptRenderer, sources: Sources
) -> None:
    class Forgetful(ScriptedEngine):
        broken = False

        async def add_adapter(self, adapter: EngineAdapter) -> None:
            if self.broken:
                raise StartError("disk error at /secret/path")
            await super().add_adapter(adapter)

    engine = Forgetful()
    engine.num_adapter_slots = engine.adapter_capacity = 1
    async with running(
        renderer, read=sources.read, engine=engine, allow_adapter_updates=True
    ) as run:
        await load(run, "a", "/adapters/one")
        await load(run, "b", "/adapters/two")
        assert engine.removed == [weights("one")]
        assert (await entry(run, "a"))["in_engine"] is False
        engine.broken = True
        reply = await run.chat(model="a")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "adapter_failed")
        assert "secret" not in reply.text
        assert (await entry(run, "a"))["state"] == "failed"
        assert "disk error" in (await entry(run, "a"))["reason"]
        assert (await run.chat(model="b")).status_code == 200 or engine.broken
        engine.broken = False
        assert (await run.chat(model="a")).status_code == 200
        assert (await entry(run, "a"))["state"] == "ready"


async def test_pins_leave_one_slot(renderer: PromptRenderer, sources: Sources) -> None:
    engine = ScriptedEngine()
    engine.num_adapter_slots = engine.adapter_capacity = 2
    async with running(
        renderer, read=sources.read, engine=engine, allow_adapter_updates=True
    ) as run:
        assert (await load(run, "a", "/adapters/one", pinned=True)).status_code == 200
        assert (await entry(run, "a"))["pinned"] is True
        reply = await load(run, "b", "/adapters/two", pinned=True)
        assert "one slot at least must stay" in reply.json()["error"]["message"]
        assert (await load(run, "b", "/adapters/two")).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "lora_name"),
        ({"lora_name": "x"}, "lora_path"),
        ({"lora_name": 3, "lora_path": "/x"}, "lora_name"),
        ({"lora_name": "x" * 200, "lora_path": "/x"}, "lora_name"),
        ({"lora_name": "x", "lora_path": "/" * 5000}, "lora_path"),
        ({"lora_name": "x", "lora_path": "/x", "pinned": "maybe"}, "pinned"),
    ],
    ids=range(6),
)
async def test_bad_fields_are_named(
    renderer: PromptRenderer, sources: Sources, body: dict[str, Any], param: str
) -> None:
    async with hosting(renderer, sources) as run:
        reply = await run.client.post("/v1/load_lora_adapter", json=body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_who_may(renderer: PromptRenderer, sources: Sources, tmp_path: Path) -> None:
    from server.tenancy.tenant import digest_of  # noqa: PLC0415

    keys = tmp_path / "keys.yaml"
    keys.write_text(f"keys:\n- {{name: guest, sha256: {digest_of('guest')}}}\n")
    async with hosting(renderer, sources, api_key=("admin",), api_key_file=keys) as run:
        body = {"lora_name": "mine", "lora_path": "/adapters/one"}
        for method, path in (
            ("GET", "/v1/adapters"),
            ("POST", "/v1/load_lora_adapter"),
            ("POST", "/v1/unload_lora_adapter"),
        ):
            for headers, status in (({}, 401), (GUEST, 403)):
                reply = await run.client.request(method, path, headers=headers, json=body)
                assert reply.status_code == status, path
        reply = await run.client.post("/v1/load_lora_adapter", json=body, headers=ADMIN)
        assert reply.status_code == 200
    async with hosting(renderer, sources, allow_adapter_updates=False) as run:
        reply = await load(run, "mine", "/adapters/one")
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "adapter_updates_off")
        assert (await run.client.get("/v1/adapters")).status_code == 200


async def test_the_past_is_bounded(renderer: PromptRenderer, sources: Sources) -> None:
    async with hosting(renderer, sources) as run:
        for number in itertools.islice(itertools.count(), 130):
            await load(run, f"a{number}", "/nowhere")
        listed = (await run.client.get("/v1/adapters")).json()["data"]
        assert len(listed) == 100
        assert listed[-1]["id"] == "a129"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(EngineDeadError("gone"), 503, "engine_dead"), (RuntimeError("a bug"), 500, None)],
    ids=["dead", "bug"],
)
async def test_a_load_that_breaks_is_no_load_for_ever(
    renderer: PromptRenderer, error: Exception, status: int, code: str | None
) -> None:
    async def read(name: str, source: str) -> ServedModel:
        raise error

    async with running(renderer, read=read, allow_adapter_updates=True) as run:
        reply = await load(run, "mine", "/adapters/one")
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
        assert (await entry(run, "mine"))["state"] == "failed"
        assert (await load(run, "mine", "/adapters/one")).status_code == status
