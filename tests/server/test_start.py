"""From a command line to a running server: settings, catalog, adapter cache, demo files, and the way out."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from server.cli import app as cli
from server.demo import base_model as demo
from server.errors import StartError
from server.lifecycle import Lifecycle
from server.loading.adapter_cache import store_adapter
from server.loading.model_source import resolve_adapters, resolve_base
from server.prompt import load_tokenizer
from server.serving import serve
from server.settings import Settings, read_settings
from tests.fakes import BOS, EOS, ScriptedEngine, delta, profile, write_adapter
from tests.ports import free_port


def test_flag_beats_variable_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDTURN_PORT", "9")
    monkeypatch.setenv("ENDTURN_MODEL", "m")
    monkeypatch.setenv("ENDTURN_ADAPTER", "a=/x,b=/y")
    monkeypatch.setenv("ENDTURN_ENGINE_ARGS", "--max-model-len 5 --x 'a b'")
    read = read_settings({"host": "0.0.0.0"})  # noqa: S104
    assert (read.host, read.port, read.model) == ("0.0.0.0", 9, "m")  # noqa: S104
    assert read.adapter == ("a=/x", "b=/y")
    assert read.engine_args == ("--max-model-len", "5", "--x", "a b")
    assert read_settings({"model": "n", "port": 1}).port == 1


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ({}, {}, "--model"),
        ({"model": "m", "adapter": ["x"]}, {}, "--adapter: 'x' is not NAME=SOURCE"),
        ({"model": "m"}, {"ENDTURN_PORT": "99999"}, "ENDTURN_PORT"),
        ({"model": "m"}, {"ENDTURN_PROT": "1"}, "ENDTURN_PROT"),
        ({"model": "m", "log_level": "loud"}, {}, "--log-level"),
    ],
)
def test_wrong_setting_names_itself(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], environ: dict[str, str], message: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=message):
        read_settings(flags)


def test_every_setting_has_a_flag_in_the_help() -> None:
    text = CliRunner().invoke(cli.app, ["serve", "--help"], env={"COLUMNS": "400"}).output
    for name in set(Settings.model_fields) - {"engine_args"}:
        assert f"--{name.replace('_', '-')}" in text
        assert f"ENDTURN_{name.upper()}" in text


def test_command_line_errors_are_one_line() -> None:
    run = CliRunner().invoke(cli.app, ["serve"])
    assert run.exit_code == 2
    assert "--model" in run.output
    alone = CliRunner().invoke(cli.app, ["serve", "m", "--enable-auto-tool-choice"])
    assert "--enable-auto-tool-choice needs --tool-call-parser NAME" in alone.output
    assert CliRunner().invoke(cli.app, ["--version"]).output.startswith("endturn ")


def test_lora_modules_is_an_alias() -> None:
    flags: dict[str, Any] = {}
    words = ["--lora-modules", "a=/x", "b=/y", "--seed", "3", "--lora-modules=c=/z"]
    assert cli._take_aliases(flags, words) == ["--seed", "3"]
    assert flags["adapter"] == ["a=/x", "b=/y", "c=/z"]


def test_cache_copies_by_content(tmp_path: Path) -> None:
    first, other = write_adapter(tmp_path / "a"), write_adapter(tmp_path / "b", seed=1)
    stored = store_adapter(first, tmp_path / "cache")
    assert store_adapter(first, tmp_path / "cache") == stored
    assert store_adapter(other, tmp_path / "cache").key != stored.key
    assert sorted(path.name for path in stored.path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert len(list((tmp_path / "cache" / "adapters").iterdir())) == 2, "no copy is left half-way"


def test_sources(tmp_path: Path, adapter_dir: Path) -> None:
    [source] = resolve_adapters((f"x={adapter_dir}",), model="m")
    assert source.path == adapter_dir
    assert [s.name for s in resolve_adapters((), model="demo")] == ["pydoc", "pydoc-raw"]
    for entry in (f"x={tmp_path}/none", "x=demo:none"):
        with pytest.raises(StartError, match="x="):
            resolve_adapters((entry,), model="m")
    with pytest.raises(StartError, match="twice"):
        resolve_adapters((f"x={adapter_dir}",) * 2, model="m")
    assert resolve_base(str(tmp_path), tmp_path) == tmp_path
    for model in ("/none/at/all", "./none", "a/b/c/d"):
        with pytest.raises(StartError, match="--model"):
            resolve_base(model, tmp_path)


def test_demo_base_is_checked_and_never_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"not gemma")
    monkeypatch.setattr(demo, "_part_files", lambda: [part])
    left = tmp_path / "models" / f".gemma-3-270m-{demo.GGUF_SHA256[:12]}-1-killed"
    left.mkdir(parents=True)
    with pytest.raises(StartError, match="sha256"):
        demo.demo_base_model(tmp_path)
    names = [path.name for path in (tmp_path / "models").iterdir()]
    assert not [name for name in names if not name.endswith(".lock")], "what was killed is gone"


def test_demo_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PART_PACKAGES", ("no_such_package",))
    with pytest.raises(StartError, match=r"endturn\[demo\]"):
        demo._part_files()


def test_tokenizer_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="tokenizer"):
        load_tokenizer(tmp_path)


async def test_lifecycle_notices_a_dead_engine() -> None:
    lifecycle, engine = Lifecycle(), ScriptedEngine()
    watching = asyncio.create_task(lifecycle.watch_engine(engine, interval_s=0.01))
    await asyncio.sleep(0.05)
    engine.died.set()
    await asyncio.wait_for(watching, 5)
    assert lifecycle.engine_died


def settings_for(base_dir: Path, tmp_path: Path, *adapters: str, **more: Any) -> Settings:
    values = {
        "model": str(base_dir),
        "adapter": adapters,
        "port": free_port(),
        "cache_dir": tmp_path / "c",
    }
    return Settings(**{**values, **more})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def ready(url: str) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("way", ["sigterm", "drain-over", "engine-death"])
async def test_serves_and_leaves(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, way: str
) -> None:
    (adapter_dir / "endturn.json").write_text(profile().model_dump_json())
    (adapter_dir / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[0].content }}")
    raw = write_adapter(tmp_path / "raw")
    drain_s = 0.2 if way == "drain-over" else 10.0
    settings = settings_for(
        base_dir,
        tmp_path,
        f"a={adapter_dir}",
        f"b={raw}",
        drain_timeout_s=drain_s,
        metrics_port=free_port(),
        chat_template=write(tmp_path / "t.jinja", "{{ bos_token }}{{ messages[0].content }}"),
    )
    engine = ScriptedEngine()
    running = asyncio.create_task(serve(settings, lambda *_: engine, CollectorRegistry()))
    url = f"http://127.0.0.1:{settings.port}"
    await ready(url)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        assert (await client.get("/metrics")).status_code == 404
        page = await client.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")
        assert "endturn_requests_in_flight" in page.text
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        wait_s = 1.0 if way == "sigterm" else 60.0
        engine.enqueue(delta("abc"), wait_s, delta([EOS], "stop"))
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
        while not engine.open:
            await asyncio.sleep(0.01)
        if way == "engine-death":
            engine.died.set()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        text = (await asking).text
    assert await running == (1 if way == "engine-death" else 0)
    assert engine.closed
    assert len(engine.loaded) == 1, "equal weights under two names are loaded once"
    assert [
        r.prompt_token_ids for r in engine.requests if not r.request_id.startswith("probe-")
    ] == [[BOS, *b"hi"]]
    expected = {"sigterm": '"kind":"eos"', "drain-over": "aborted", "engine-death": "engine_dead"}
    assert expected[way] in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "base"}, "cannot be used"),
        ({"name": "../x"}, "cannot be used"),
        ({"profile": {"base": {"name": "b", "architecture": "Other"}}}, "it is for Other"),
        ({"profile": {"base": {"name": "b", "vocab_size": 5}}}, "vocabulary of 5"),
        (
            {"profile": {"end_of_turn": [{"id": 65, "token": "<x>", "why": ""}]}},
            "end_of_turn id 65",
        ),
        ({"profile": {}, "template": None}, "chat_template.jinja"),
        ({"profile": {}, "template": b"\xff"}, "is not UTF-8"),
        ({"profile": {}, "template": b" " * (2 << 20)}, "is larger than"),
        ({"weights": b""}, "no safetensors file"),
    ],
    ids=range(9),
)
async def test_wrong_adapter_stops_the_start_by_name(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    if "profile" in change:
        data = json.loads(profile().model_dump_json())
        (adapter_dir / "endturn.json").write_text(json.dumps({**data, **change["profile"]}))
        template = change.get("template", b"x")
        if template is not None:
            (adapter_dir / "chat_template.jinja").write_bytes(template)
    if "weights" in change:
        (adapter_dir / "adapter_model.safetensors").write_bytes(change["weights"])
    settings = settings_for(base_dir, tmp_path, f"{change.get('name', 'a')}={adapter_dir}")
    with pytest.raises(StartError, match=message):
        await serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())


async def test_taken_port_and_broken_base_stop_the_start(base_dir: Path, tmp_path: Path) -> None:
    settings = settings_for(base_dir, tmp_path)
    with (
        socket.create_server(("127.0.0.1", settings.port)),
        pytest.raises(StartError, match="cannot listen"),
    ):
        await serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for(base_dir, tmp_path, metrics_port=taken.getsockname()[1])
        with pytest.raises(StartError, match="--metrics-port"):
            await serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())
    (base_dir / "config.json").write_text("{")
    with pytest.raises(StartError, match=r"config\.json"):
        await serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())
