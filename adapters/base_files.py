"""The base model's own small files: config.json and generation_config.json. No weights are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .chat_profile import SamplingDefaults
from .errors import ModelFilesError
from .json_file import read_json_object

CONFIG_FILE = "config.json"
GENERATION_CONFIG_FILE = "generation_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFiles:
    """A base model directory and its two configs; `generation_config` is None where the file is missing."""

    path: Path
    config: dict[str, Any]
    generation_config: dict[str, Any] | None

    def sampling_defaults(self) -> SamplingDefaults:
        """What generation_config.json recommends; its max_new_tokens is left out (64 in Qwen2.5-14B: ms-swift #3113)."""
        known = set(SamplingDefaults.model_fields)
        values = {k: v for k, v in (self.generation_config or {}).items() if k in known}
        try:
            return SamplingDefaults.model_validate(values, strict=False)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ModelFilesError(
                self.path / GENERATION_CONFIG_FILE,
                f"{name}: {first['msg']} (found {first['input']!r})",
            ) from exc


def read_base_files(path: Path) -> BaseFiles:
    """Read the configs of the base model in `path`.

    Raises:
        ModelFilesError: config.json is missing, or one of the two is broken.
    """
    generation_path = path / GENERATION_CONFIG_FILE
    generation = None
    if generation_path.is_file():
        generation = read_json_object(generation_path, ModelFilesError, follow_links=True)
    return BaseFiles(
        path=path,
        config=read_json_object(path / CONFIG_FILE, ModelFilesError, follow_links=True),
        generation_config=generation,
    )
