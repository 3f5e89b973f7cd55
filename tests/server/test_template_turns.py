"""How a base's own template separates turns: the stops of a base that is chatted with and has no profile."""

from pathlib import Path

import pytest

from adapters.errors import ModelFilesError
from adapters.tokenizer_files import read_tokenizer
from server.catalog import template_turns
from server.served_model import TemplateTurns
from tests.fakes import EOS, IM_END, served

SAYS = "{{ m.role }}: {{ m.content }}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{% for m in messages %}### " + SAYS + "\n\n{% endfor %}",
            TemplateTurns(markers=("\n\n### user:", "\n### user:")),
        ),
        (
            "{% for m in messages %}" + SAYS + "<|im_end|>\n{% endfor %}",
            TemplateTurns(end_ids=(IM_END,), markers=("\nuser:",)),
        ),
        (
            "{% for m in messages %}<|im_end|>" + SAYS + "<eos>{% endfor %}",
            TemplateTurns(end_ids=(EOS, IM_END)),
        ),
        ("{{ raise_exception('no') }}", TemplateTurns()),
        (None, TemplateTurns()),
    ],
    ids=["text", "end token", "tokens", "refuses", "none"],
)
def test_turns_of_a_base(base_dir: Path, template: str | None, expected: TemplateTurns) -> None:
    tokenizer = read_tokenizer(base_dir, ModelFilesError)
    assert tokenizer is not None
    model = served("base", profile=None, template=template)
    assert template_turns(model, tokenizer) == expected


def test_a_profile_says_it_itself(base_dir: Path) -> None:
    tokenizer = read_tokenizer(base_dir, ModelFilesError)
    assert tokenizer is not None
    assert template_turns(served(), tokenizer) == TemplateTurns()
