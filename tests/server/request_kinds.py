"""Every request body that the server reads. Needs the schema alone: the fuzzer's environment has little else."""

from server.schema.adapters import LoadAdapterRequest, UnloadAdapterRequest
from server.schema.chat import ChatCompletionRequest, DetokenizeRequest, TokenizeRequest
from server.schema.completions import CompletionRequest
from server.schema.messages_schema import CountTokensRequest, MessagesRequest
from server.schema.responses_schema import ResponsesRequest

REQUESTS = (
    ChatCompletionRequest,
    CompletionRequest,
    ResponsesRequest,
    MessagesRequest,
    CountTokensRequest,
    TokenizeRequest,
    DetokenizeRequest,
    LoadAdapterRequest,
    UnloadAdapterRequest,
)
