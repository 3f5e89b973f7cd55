"""`GET /v1/models`: OpenAI's objects with vLLM's fields, and what the profile knows of each model in short."""

from typing import Any

import openai
import pytest

from adapters.chat_profile import Parsers
from server.prompt import PromptRenderer
from server.served_model import ServedModel, TemplateTurns
from tests.fakes import EOS, IM_END, profile, served
from tests.server.running import running
from tests.server.test_calibrated import HEAD

SHARE = {"share": 0.9, "low": 0.8, "high": 0.95}
RUN = {"kinds": {"eos": 9}, "runaway": SHARE, "tokens": 22.5, "tokens_p95": 40, "word_f1": 0.8}
VERIFICATION = {
    "created_by": "test",
    "day": "2026-11-24",
    "data": "sha256",
    "seed": 1,
    "answers": 60,
    "cap": 256,
    "temperature": 0.0,
    "reference_tokens": 20.0,
    "guards_off": {**RUN, "runaway": {**SHARE, "share": 0.95}, "tokens": 200.0},
    "guards_on": RUN,
    "speedup": 5.8,
    "inside": SHARE,
    "live_prefix": SHARE,
    "replayed": 60,
    "replayed_prefixes": 60,
}
FIT = {
    "answers": 120,
    "conversations": 100,
    "tokens": 4000,
    "auc": 0.99,
    "auc_low": 0.98,
    "auc_high": 1.0,
    **dict.fromkeys(("exact", "early", "missed", "inside"), SHARE),
    "folds": 5,
    "seed": 1,
}
STOP_HEAD = {"token_ids": [1], "weights": [1.0], "bias": 0.0, "threshold": 0.5, "fit": FIT}
FINDINGS = [
    {"code": code, "severity": "fixed", "evidence": "e", "action": "a"}
    for code in ("A1", "B2", "A1")
]


def adapter(**changes: Any) -> ServedModel:
    return served(root="/adapters/chat", parent="base-model", profile=profile(**changes))


async def entry(renderer: PromptRenderer, model: ServedModel, **settings: Any) -> dict[str, Any]:
    async with running(renderer, model, **settings) as run:
        listed = (await run.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert [one["id"] for one in listed["data"]] == ["base-model", model.name]
        alone: dict[str, Any] = (await run.client.get(f"/v1/models/{model.name}")).json()
        assert alone == listed["data"][1]
        return alone


async def test_an_adapter_names_its_base_and_its_context(renderer: PromptRenderer) -> None:
    found = await entry(renderer, adapter())
    summary = found.pop("endturn")
    assert found == {
        "id": "chat",
        "object": "model",
        "created": 1,
        "owned_by": "endturn",
        "root": "/adapters/chat",
        "parent": "base-model",
        "max_model_len": 1000,
    }
    assert summary == {
        "profile": True,
        "chat_template": True,
        "template_confidence": "recorded",
        "end_of_turn": {"num_ids": 2, "tokens": ["<eos>", "<|im_end|>"]},
        "num_role_markers": 1,
        "stop_head": None,
        "max_tokens": {"default": 50, "limit": 100},
        "findings": [],
        "verification": None,
        "parsers": {"tool_calls": None, "reasoning": None},
    }


async def test_what_was_found_fitted_and_verified_is_told_in_short(
    renderer: PromptRenderer,
) -> None:
    known = profile(findings=FINDINGS, verification=VERIFICATION, stop_head=STOP_HEAD)
    summary = (await entry(renderer, served(profile=known, stop_head=HEAD)))["endturn"]
    assert summary["findings"] == ["A1", "B2"]
    assert summary["stop_head"] == {
        "num_tokens": len(HEAD.token_ids),
        "threshold": HEAD.threshold,
        "fit": {
            "answers": 120,
            "auc": 0.99,
            **dict.fromkeys(("exact", "early", "missed", "inside"), 0.9),
        },
    }
    assert summary["verification"] == {
        "day": "2026-11-24",
        "answers": 60,
        "speedup": 5.8,
        "guards_off": {"runaway": 0.95, "tokens": 200.0, "word_f1": 0.8},
        "guards_on": {"runaway": 0.9, "tokens": 22.5, "word_f1": 0.8},
    }


async def test_a_head_without_figures_is_a_head(renderer: PromptRenderer) -> None:
    summary = (await entry(renderer, served(stop_head=HEAD)))["endturn"]
    assert summary["stop_head"]["fit"] is None


async def test_a_record_that_cannot_be_read_is_none(renderer: PromptRenderer) -> None:
    summary = (await entry(renderer, adapter(verification={"day": 1})))["endturn"]
    assert summary["verification"] is None


async def test_without_a_profile_the_template_says_what_ends_a_turn(
    renderer: PromptRenderer,
) -> None:
    turns = TemplateTurns(end_ids=(IM_END,), markers=("\nUser:", "\nHuman:"))
    raw = served(profile=None, template_turns=turns, base_stop_ids=(EOS,))
    summary = (await entry(renderer, raw))["endturn"]
    assert (summary["profile"], summary["template_confidence"]) == (False, None)
    assert summary["end_of_turn"] == {"num_ids": 2, "tokens": ["<eos>", "<|im_end|>"]}
    assert summary["num_role_markers"] == 2
    assert summary["max_tokens"] == {"default": 1024, "limit": None}


async def test_of_many_end_ids_some_are_named(renderer: PromptRenderer) -> None:
    ends = [{"id": i, "token": str(i), "why": "test"} for i in range(100)]
    found = (await entry(renderer, adapter(end_of_turn=ends)))["endturn"]["end_of_turn"]
    assert found["num_ids"] == 100
    assert len(found["tokens"]) == 16


async def test_the_profiles_parsers_come_before_the_servers(renderer: PromptRenderer) -> None:
    own = adapter(parsers=Parsers(tool_calls="hermes"))
    flags = {"tool_call_parser": "llama3_json", "reasoning_parser": "qwen3"}
    summary = (await entry(renderer, own, **flags))["endturn"]
    assert summary["parsers"] == {"tool_calls": "hermes", "reasoning": "qwen3"}


async def test_a_refused_model_is_not_listed(renderer: PromptRenderer) -> None:
    async with running(renderer, served(refusal="needs another base")) as run:
        listed = (await run.client.get("/v1/models")).json()["data"]
        assert [one["id"] for one in listed] == ["base-model"]
        reply = await run.client.get("/v1/models/chat")
        assert "needs another base" in reply.json()["error"]["message"]


@pytest.mark.parametrize("name", ["no", "a/b", "chat "])
async def test_an_unknown_model_is_openais_404(renderer: PromptRenderer, name: str) -> None:
    async with running(renderer) as run:
        reply = await run.client.get(f"/v1/models/{name}")
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (404, "model_not_found")
        assert "base-model, chat" in error["message"]


async def test_openais_client_reads_them(renderer: PromptRenderer) -> None:
    async with running(renderer, adapter()) as run:
        url = f"{run.client.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            names = [model.id async for model in client.models.list()]
            assert names == ["base-model", "chat"]
            model = await client.models.retrieve("chat")
            assert model.owned_by == "endturn"
            assert (model.model_extra or {})["endturn"]["profile"] is True
