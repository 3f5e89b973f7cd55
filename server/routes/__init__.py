"""The HTTP endpoints, one module a subject. Each reads down: parse, resolve, render, plan, generate, write."""

from . import adapters, chat, completions, messages, models, operations, responses, tokens
from .context import Server

ROUTERS = (
    chat.router,
    completions.router,
    responses.router,
    messages.router,
    models.router,
    tokens.router,
    adapters.router,
    operations.router,
)

__all__ = ["ROUTERS", "Server"]
