"""`GET /v1/models` and `/v1/models/{id}`: OpenAI's model objects with vLLM's fields, and what the profile knows in short."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from adapters.stop_head import StopHeadRecord
from adapters.verification_record import VerificationRecord

from ..parsing.port import ParserNames
from ..served_model import ServedModel
from .context import Server, catalog_of, server_of

router = APIRouter()
# A set of ends may have hundreds; so many are named.
MAX_NAMED_TOKENS = 16


def _entry(model: ServedModel, server: Server) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "endturn",
        "root": model.root,
        "parent": model.parent,
        "max_model_len": server.engine.max_model_len,
        "endturn": summary_of(model, server),
    }


def summary_of(model: ServedModel, server: Server) -> dict[str, Any]:
    """What is in effect for a chat with this model; with no profile, what its template and its tokenizer say."""
    profile, settings = model.profile, server.settings
    given = ParserNames(tool_calls=settings.tool_call_parser, reasoning=settings.reasoning_parser)
    parsers = model.parser_names(given)
    ends = model.turn_ends(is_chat=True)
    return {
        "profile": profile is not None,
        "chat_template": model.template is not None,
        "template_confidence": None if profile is None else profile.template.confidence,
        "end_of_turn": {
            "num_ids": len(ends),
            "tokens": [model.tokenizer.tokenizer.id_to_token(i) for i in ends[:MAX_NAMED_TOKENS]],
        },
        "num_role_markers": len(model.turn_markers(is_chat=True)),
        "stop_head": _stop_head(model),
        "max_tokens": {"default": model.token_limits.default, "limit": model.token_limits.limit},
        "findings": []
        if profile is None
        else list(dict.fromkeys(f.code for f in profile.findings)),
        "verification": _verification(model),
        "parsers": {"tool_calls": parsers.tool_calls, "reasoning": parsers.reasoning},
    }


def _stop_head(model: ServedModel) -> dict[str, Any] | None:
    """The head that is asked at every token, and what it did in cross-validation; None where there is none."""
    if model.stop_head is None:
        return None
    head = model.stop_head
    summary: dict[str, Any] = {"num_tokens": len(head.token_ids), "threshold": head.threshold}
    written = None if model.profile is None else model.profile.stop_head
    fit = None if written is None else StopHeadRecord.model_validate(written).fit
    if fit is None:
        return {**summary, "fit": None}
    shares = ("exact", "early", "missed", "inside")
    figures = {name: getattr(fit, name).share for name in shares}
    return {**summary, "fit": {"answers": fit.answers, "auc": fit.auc, **figures}}


def _verification(model: ServedModel) -> dict[str, Any] | None:
    """What `endturn verify` measured last, guards off against guards on; None where it did not, or it cannot be read."""
    written = None if model.profile is None else model.profile.verification
    if written is None:
        return None
    try:
        record = VerificationRecord.model_validate(written)
    except ValidationError:  # told in the log when the model was loaded
        return None
    runs = {"guards_off": record.guards_off, "guards_on": record.guards_on}
    figures = {
        name: {"runaway": run.runaway.share, "tokens": run.tokens, "word_f1": run.word_f1}
        for name, run in runs.items()
    }
    return {"day": record.day, "answers": record.answers, "speedup": record.speedup, **figures}


@router.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """Every name that is served, the base first."""
    server = server_of(request)
    return {"object": "list", "data": [_entry(model, server) for model in catalog_of(request)]}


@router.get("/v1/models/{model_id:path}")
async def get_model(request: Request, model_id: str) -> dict[str, Any]:
    """One of them."""
    server = server_of(request)
    return _entry(catalog_of(request).resolve(model_id), server)
