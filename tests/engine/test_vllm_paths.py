"""Every path of vLLM's server, by name: served here, or not and why. A new one fails the test."""

from collections.abc import Iterable, Iterator
from typing import Any

from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from server.openapi import pages
from server.routes import ROUTERS

NOT_SERVED = {
    "/docs/oauth2-redirect": "of the page of vLLM's own document",
    "/generative_scoring": "not OpenAI's; completions score with echo and logprobs",
    "/inference/v1/abort_requests": "a client that leaves aborts its request",
    "/inference/v1/generate": "token ids in and out, for routers of vLLM's",
    "/invocations": "of SageMaker",
    "/is_scaling_elastic_ep": "of elastic expert parallelism",
    "/kv_event_sources": "of routers of vLLM's",
    "/load": "endturn_requests_in_flight in /metrics",
    "/ping": "of SageMaker; /livez and /readyz",
    "/scale_elastic_ep": "of elastic expert parallelism",
    "/v1/chat/completions/batch": "not OpenAI's; send requests at once",
    "/v1/chat/completions/derender": "token ids in and out, for routers of vLLM's",
    "/v1/chat/completions/render": "/tokenize renders messages",
    "/v1/completions/derender": "token ids in and out, for routers of vLLM's",
    "/v1/completions/render": "/tokenize takes prompts",
    "/v1/messages/render": "/v1/messages/count_tokens counts them",
    "/v1/responses/render": "/tokenize renders messages",
    "/v1/systemone": "vLLM's structured decisions; structured_outputs.choice",
}


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        inner = getattr(route, "original_router", route)
        if isinstance(getattr(inner, "routes", None), list):
            yield from _paths(inner.routes)
        else:
            yield route.path


def test_every_path_of_vllm_is_served_or_said_not_to_be() -> None:
    args = make_arg_parser(FlexibleArgumentParser()).parse_args(["--model", "any"])
    of_vllm = set(_paths(build_app(args, ("generate",)).routes))
    ours = {path for router in (*ROUTERS, pages.router) for path in _paths(router.routes)}
    assert of_vllm - ours == set(NOT_SERVED)
