"""Every setting, read once: flag, then `ENDTURN_` variable, then the default written here."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import StartError
from .traces_endpoint import default_traces_endpoint, traces_url, without_credentials

ENV_PREFIX = "ENDTURN_"


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/endturn`, or `~/.cache/endturn`."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "endturn"


class Settings(BaseSettings):
    """Frozen. The description of a field is its `--help` text."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    model: str = Field(description="Base model: a directory, a hub id, or 'demo'.")
    adapter: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="An adapter to serve, as NAME=SOURCE: a directory, a hub id, or the http, s3 or gs address of an archive; "
        "may be given more than once.",
    )
    adapter_root: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Directory that adapters may be loaded from while the server runs; may be given more than once.",
    )
    allow_source: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Start of the addresses that adapters may be loaded from while the server runs, as in https://host/path, "
        "s3://bucket or hf://organization; redirects are followed there too. May be given more than once.",
    )
    max_adapter_bytes: int = Field(
        default=4 << 30, ge=1024, description="Largest adapter that is fetched and unpacked."
    )
    adapters_dir: Path | None = Field(
        default=None,
        description="Watched directory: each folder in it that holds an adapter is served by the folder's name, for as long "
        "as it is there.",
    )
    allow_adapter_updates: bool = Field(
        default=False,
        description="Take POST /v1/load_lora_adapter and /v1/unload_lora_adapter; where there are API keys, from an admin's.",
    )
    convert_adapters: bool = Field(
        default=True,
        description="Convert raw adapters on the way in; without it they are served as plain vLLM serves them.",
    )
    allow_overlay: bool = Field(
        default=False,
        description="Serve the base, and adapters without trained rows, on the rows that other adapters trained.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Serve /metrics on this port instead; default: on --port.",
    )
    served_model_name: str | None = Field(
        default=None, description="Name clients use for the base; default: what --model says."
    )
    chat_template: Path | None = Field(
        default=None,
        description="Jinja file for the base, and for adapters that bring no template.",
    )
    tool_call_parser: str | None = Field(
        default=None,
        description="vLLM's parser for tool calls, as in hermes; for models whose profile names none. Default: tools can be "
        "demanded (tool_choice required, or a name), not left to the model.",
    )
    reasoning_parser: str | None = Field(
        default=None,
        description="vLLM's parser for reasoning, as in qwen3; for models whose profile names none.",
    )
    api_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Accept only requests with one of these keys; may be given more than once.",
    )
    api_key_file: Path | None = Field(
        default=None,
        description="YAML file of API keys with what each may do (endturn key NAME makes an entry); read again when it changes.",
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir,
        description="Where converted models and copies of adapters are kept.",
    )
    allow_guards_off: bool = Field(
        default=True, description="Let a request switch the product's own stops off."
    )
    refuse_unknown_fields: bool = Field(
        default=False,
        description="Refuse requests with fields that nobody knows, as misspelt ones are, instead of ignoring the fields.",
    )
    drain_timeout_s: float = Field(
        default=30.0, ge=0, description="Seconds open requests get to finish after SIGTERM."
    )
    template_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds a chat template may take for one request."
    )
    deadline_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds from the request after which its answer is ended as it is; default: never.",
    )
    stall_timeout_s: float = Field(
        default=120.0,
        ge=0,
        description="Seconds without any token from the engine after which an answer fails; 0: never.",
    )
    max_body_bytes: int = Field(
        default=8 << 20, ge=1024, description="Largest request body that is read."
    )
    body_timeout_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds a client gets to send the headers of a request, and again for its body; 0: no limit.",
    )
    write_timeout_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds after which a client that takes nothing of its answer counts as gone; 0: never.",
    )
    max_requests: int = Field(
        default=4096,
        ge=1,
        description="Most requests that are open at once, answers in progress among them.",
    )
    max_queued_requests: int = Field(
        default=1024, ge=1, description="Most requests that wait for their first token."
    )
    # Their ids take some 36 MB here; how long that many wait is for the operator to say, who knows the engine's speed.
    max_queued_tokens: int = Field(
        default=1 << 20,
        ge=1,
        description="Most prompt tokens that wait for the first token of their answer; a longer prompt waits alone.",
    )
    max_queue_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the queue that one API key, and one model, may have where there are others.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How log lines are written: text, or json, an object a line."
    )
    log_content: bool = Field(
        default=False,
        description="Log prompts and answers too, the first 4,000 characters of each.",
    )
    otlp_traces_endpoint: str | None = Field(
        default_factory=default_traces_endpoint,
        description="Send traces to this OTLP/HTTP address, as in http://collector:4318; "
        "default: what OTEL_EXPORTER_OTLP_ENDPOINT says, else none are made.",
    )
    engine_args: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Flags for vLLM, as on its command line; others on endturn's are added.",
    )

    @property
    def adapters_change(self) -> bool:
        """Whether adapters may come and go while the server runs."""
        return self.allow_adapter_updates or self.adapters_dir is not None

    @field_validator("adapter", "adapter_root", "allow_source", "api_key", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in value.replace(",", " ").split() if part)
        return value

    @field_validator("engine_args", mode="before")
    @classmethod
    def _split_shell_words(cls, value: Any) -> Any:
        return tuple(shlex.split(value)) if isinstance(value, str) else value

    @field_validator("otlp_traces_endpoint")
    @classmethod
    def _complete_traces_url(cls, url: str | None) -> str | None:
        return None if url is None else traces_url(url)

    @field_validator("adapter")
    @classmethod
    def _name_the_adapters(cls, adapters: tuple[str, ...]) -> tuple[str, ...]:
        for entry in adapters:
            name, equals, path = entry.partition("=")
            if not (name and equals and path):
                raise ValueError(f"{entry!r} is not NAME=SOURCE")
        return adapters


def read_settings(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags that were given, and from the environment for the rest.

    Raises:
        StartError: a value is wrong, or a variable with our prefix is no setting; the message names it.
    """
    unknown = [
        name
        for name in environ
        if name.startswith(ENV_PREFIX)
        and name[len(ENV_PREFIX) :].lower() not in Settings.model_fields
    ]
    if unknown:
        raise StartError(f"{', '.join(sorted(unknown))}: no such setting; see endturn serve --help")
    try:
        return Settings(**flags)
    except ValidationError as exc:
        raise StartError("; ".join(_problems(exc, flags))) from exc


def _problems(exc: ValidationError, flags: Mapping[str, Any]) -> Iterator[str]:
    for error in exc.errors(include_url=False):
        field = str(error["loc"][0])
        flag, variable = f"--{field.replace('_', '-')}", f"{ENV_PREFIX}{field.upper()}"
        name = flag if field in flags or error["type"] == "missing" else variable
        if error["type"] == "missing":
            yield f"{flag} (or {variable}) is required: {Settings.model_fields[field].description}"
        else:
            found = "a secret" if field == "api_key" else repr(error["input"])
            if field == "otlp_traces_endpoint":
                found = repr(without_credentials(str(error["input"])))
            yield f"{name}: {error['msg'].removeprefix('Value error, ')} (found {found})"
