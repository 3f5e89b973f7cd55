"""The template table: (trainer, template name) -> Jinja text, end tokens, role markers.

Written from the trainers' definitions: a conversation that ends with the assistant renders to the text that the trainer
trains on, and a prompt is that text up to the answer. Knows no tokenizer and no checkpoint.
"""

from .llama_factory import TEMPLATES as _LLAMA_FACTORY
from .ms_swift import TEMPLATES as _MS_SWIFT
from .other_trainers import TEMPLATES as _OTHERS
from .settings import with_settings
from .trainer_template import EOS, TrainerTemplate

__all__ = ["EOS", "TrainerTemplate", "find_template", "template_names", "with_settings"]

_TABLE: dict[tuple[str, str], TrainerTemplate] = {
    (row.trainer, row.name): row for row in (*_MS_SWIFT, *_LLAMA_FACTORY, *_OTHERS)
}


def find_template(trainer: str, name: str) -> TrainerTemplate | None:
    """The template `name` of `trainer`, None where the table has none. ms-swift 2.x wrote dashes in names."""
    if trainer == "ms-swift":
        name = name.replace("-", "_")
    return _TABLE.get((trainer, name))


def template_names(trainer: str | None = None) -> tuple[str, ...]:
    """The sorted names of one trainer's templates; of all, as `trainer:name`, without one."""
    if trainer is None:
        return tuple(sorted(f"{owner}:{name}" for owner, name in _TABLE))
    return tuple(sorted(name for owner, name in _TABLE if owner == trainer))
