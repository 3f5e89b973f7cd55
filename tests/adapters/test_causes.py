"""Each cause of runaway generation, found where it is and not where it is not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from adapters.base_files import BaseFiles
from adapters.causes import Evidence, stop_causes
from adapters.causes_prompt import prompt_causes
from adapters.chat_profile import EndOfTurnId
from adapters.finding import Finding
from adapters.recovery import RecoveredTemplate
from adapters.template_turns import Turns
from adapters.templates import find_template
from adapters.tokenizer_diff import RenamedToken, TokenizerDiff
from adapters.tokenizer_files import TokenizerFiles
from adapters.trainers import TrainerRecord

from .raw_adapters import CHATML, byte_level, raw

TOKENS = ("<eos>", "<im_end>", "<im_start>", "<pad>", "<|user|>", "<|observation|>", "<bos>")
EOS, IM_END, PAD = 256, 257, 259
MARKERS = ("\n### Human:",)


@dataclass(frozen=True, slots=True)
class Make:
    """Builds evidence; everything not asked for shows no cause at all."""

    base: Evidence

    def __call__(self, **changes: Any) -> Evidence:
        return replace(self.base, **changes)

    def tokenizer(self, **changes: Any) -> TokenizerFiles:
        return replace(self.base.base_tokenizer, **changes)

    def template(self, **changes: Any) -> RecoveredTemplate:
        assert self.base.template is not None
        return replace(self.base.template, **changes)

    def turns(self, **changes: Any) -> RecoveredTemplate:
        assert self.base.template is not None
        return self.template(turns=replace(self.base.template.turns, **changes))

    def trainer(self, **changes: Any) -> TrainerRecord:
        return replace(self.base.trainer, **changes)

    def files(self, config: Any = EOS, generation: Any = EOS, **more: Any) -> BaseFiles:
        written = None if generation is None else {"eos_token_id": generation, **more}
        return BaseFiles(
            path=Path("base"), config={"eos_token_id": config}, generation_config=written
        )


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made = byte_level(TOKENS)
    tokenizer = TokenizerFiles(
        path=Path("base"),
        tokenizer=made,
        ids=made.get_vocab(with_added_tokens=True),
        special_ids=frozenset(range(256, 256 + len(TOKENS))),
        added_ids=frozenset(range(256, 256 + len(TOKENS))),
        eos_token="<eos>",
        bos_token=None,
        pad_token="<pad>",
        chat_template=CHATML,
    )
    turns = Turns(
        trained_end=("<eos>",),
        turn_start=("<im_start>",),
        role_markers=(),
        ends_every_turn=True,
        inside=frozenset(),
    )
    template = RecoveredTemplate(
        source=CHATML,
        name="t",
        confidence="recorded",
        evidence="args.json: template = t",
        turns=turns,
        system=None,
    )
    nothing = Evidence(
        checkpoint=raw(tmp_path_factory.mktemp("adapter")),
        base=BaseFiles(
            path=Path("base"),
            config={"eos_token_id": EOS},
            generation_config={"eos_token_id": EOS},
        ),
        base_tokenizer=tokenizer,
        own_tokenizer=None,
        own_template=CHATML,
        trainer=TrainerRecord(name="ms-swift", evidence=("args.json: template = t",)),
        template=template,
        diff=TokenizerDiff(),
        end_of_turn=(),
        adapter_eos_ids=(),
        end_is_untrained=False,
    )
    return Make(nothing)


def causes(evidence: Evidence) -> list[Finding]:
    return [*stop_causes(evidence), *prompt_causes(evidence)]


def the(code: str, evidence: Evidence) -> Finding:
    """The one finding of this code."""
    [found] = [finding for finding in causes(evidence) if finding.code == code]
    assert found.evidence
    assert found.plain_vllm
    assert found.action
    return found


def test_an_adapter_without_a_cause_has_no_findings(make: Make) -> None:
    assert causes(make()) == []


ROLES = tuple(
    EndOfTurnId(id=token_id, token=token, why="")
    for token_id, token in ((260, "<|user|>"), (261, "<|observation|>"))
)
RENAMED = (RenamedToken(id=EOS, base="<eos>", adapter="<im_end>"),)
Case = Callable[[Make], Evidence]

ABSENT: Mapping[str, Case] = {
    "A1: the end is not the tokenizer's EOS, but in the base's list": lambda m: m(
        template=m.turns(trained_end=("<im_end>",)), base=m.files(EOS, [EOS, IM_END])
    ),
    "A1: nothing ends an answer": lambda m: m(template=m.turns(trained_end=())),
    "A1: the end is no token": lambda m: m(template=m.turns(trained_end=("gone",))),
    "A2: only the tokenizer says": lambda m: m(base=m.files(None, None)),
    "A2: the tokenizer says nothing": lambda m: m(base_tokenizer=m.tokenizer(eos_token=None)),
    "A2: one in a list and one alone": lambda m: m(base=m.files([EOS], EOS)),
    "A2: lists in another order": lambda m: m(
        base=m.files([EOS, IM_END], [IM_END, EOS]), base_tokenizer=m.tokenizer(eos_token=None)
    ),
    "A3: the adapter knows more ids than the base": lambda m: m(adapter_eos_ids=(EOS, IM_END)),
    "A3: the base's list has the roles": lambda m: m(
        template=m.turns(turn_start=("<|user|>",)),
        base=m.files(EOS, [EOS, 260, 261]),
        end_of_turn=ROLES,
    ),
    "A4: a stop word that is text": lambda m: m(trainer=m.trainer(stop_words=("Human:",))),
    "B1: the row is trained": lambda m: m(end_is_untrained=False),
    "B1: no template": lambda m: m(end_is_untrained=True, template=None),
    "B2: ms-swift masks by position": lambda m: m(base_tokenizer=m.tokenizer(pad_token="<eos>")),
    "B2: padding is another token": lambda m: m(trainer=m.trainer(name="TRL")),
    "B2: neither EOS nor padding": lambda m: m(
        trainer=m.trainer(name="TRL"), base_tokenizer=m.tokenizer(eos_token=None, pad_token=None)
    ),
    "B2: the end is another token": lambda m: m(
        trainer=m.trainer(name="TRL"),
        own_template="its own",
        own_tokenizer=m.tokenizer(pad_token="<eos>"),
        template=m.turns(trained_end=("<im_end>",)),
    ),
    "B3: the next role ends it": lambda m: m(
        template=m.turns(trained_end=(), turn_start=("<|user|>",))
    ),
    "B3: the EOS is always in the loss": lambda m: m(trainer=m.trainer(trained_tokens=())),
    "B3: the end was in the loss": lambda m: m(
        trainer=m.trainer(trained_tokens=("<im_end>",)), template=m.turns(trained_end=("<im_end>",))
    ),
    "B4: nothing was cut": lambda m: m(trainer=m.trainer(cuts_samples=None)),
    "B5: every turn has its end": lambda m: m(template=m.turns(ends_every_turn=True)),
    "B6: 50 steps": lambda m: m(trainer=m.trainer(num_steps=50)),
    "B6: nobody counted": lambda m: m(trainer=m.trainer(num_steps=None)),
    "C1: the adapter's template is the base's": lambda m: m(own_template=CHATML),
    "C2: derived, not guessed": lambda m: m(template=m.template(confidence="derived")),
    "C2: a name of one trainer": lambda m: m(
        template=m.template(table=find_template("ms-swift", "baichuan"), name="baichuan")
    ),
    "C3: an empty system prompt": lambda m: m(template=m.template(system="")),
    "C3: LLaMA-Factory wrote its own template": lambda m: m(
        trainer=m.trainer(name="LLaMA-Factory"), template=m.template(source="other")
    ),
    "C4: the tokenizer does not add the BOS": lambda m: m(
        base_tokenizer=m.tokenizer(bos_token="<bos>"),
        template=m.template(source="{{ bos_token }}"),
    ),
    "D3: renamed is not added": lambda m: m(diff=TokenizerDiff(renamed=RENAMED)),
    "D5: added is not renamed": lambda m: m(diff=TokenizerDiff(added=((300, "<x>"),))),
    "E1: tokens open a turn": lambda m: m(template=m.turns(role_markers=MARKERS)),
    "E5: no limit": lambda m: m(base=m.files(EOS, EOS, max_new_tokens=None)),
    "E5: no number": lambda m: m(base=m.files(EOS, EOS, max_new_tokens=["x"])),
    "E5: no file": lambda m: m(base=m.files(EOS, None)),
}


@pytest.mark.parametrize("why", ABSENT)
def test_a_cause_is_not_found_where_it_is_not(make: Make, why: str) -> None:
    code = why.partition(":")[0]
    assert code not in {finding.code for finding in causes(ABSENT[why](make))}


def test_a1_the_turn_end_is_not_what_the_base_stops_on(make: Make) -> None:
    found = the("A1", make(template=make.turns(trained_end=("<im_end>",))))
    assert found.severity == "fixable"
    assert "args.json: template = t" in found.evidence
    assert "<im_end> (257)" in found.evidence
    assert "<eos> (256)" in found.evidence
    assert "runs on" in found.plain_vllm


def test_a1_is_found_where_one_of_two_ends_is_missed(make: Make) -> None:
    found = the("A1", make(template=make.turns(trained_end=("<im_end>", "<eos>"))))
    assert found.severity == "fixable"


def test_a2_files_that_disagree_on_an_id_nobody_stops_on(make: Make) -> None:
    found = the("A2", make(base=make.files(config=IM_END, generation=EOS)))
    assert found.severity == "fixable"
    assert "config.json: eos_token_id = <im_end> (257)" in found.evidence


def test_a2_files_that_disagree_but_are_all_read_are_a_note(make: Make) -> None:
    """Qwen3-Base as it was published: the tokenizer's EOS and the generation's are two ids, vLLM takes both."""
    tokenizer = make.tokenizer(eos_token="<im_end>")
    found = the("A2", make(base_tokenizer=tokenizer, base=make.files(EOS, EOS)))
    assert found.severity == "note"


def test_a2_the_adapters_own_eos_counts(make: Make) -> None:
    found = the("A2", make(own_tokenizer=make.tokenizer(eos_token="<im_end>")))
    assert "the adapter's eos_token = <im_end> (257)" in found.evidence
    assert found.severity == "fixable"


def test_a3_the_next_role_ends_a_turn_and_the_base_does_not_stop_on_it(make: Make) -> None:
    template = make.turns(trained_end=(), turn_start=("<|user|>",))
    found = the("A3", make(template=template, end_of_turn=ROLES))
    assert found.severity == "fixable"
    assert "<|observation|> (261)" in found.evidence


def test_a3_an_adapter_that_lost_ids_of_the_list_is_a_note(make: Make) -> None:
    found = the("A3", make(base=make.files(EOS, [EOS, IM_END]), adapter_eos_ids=(EOS,)))
    assert found.severity == "note"
    assert "lacks <im_end> (257)" in found.evidence


def test_a4_a_stop_word_that_is_a_special_token(make: Make) -> None:
    found = the("A4", make(trainer=make.trainer(stop_words=("<im_end>", "Human:"))))
    assert found.severity == "fixable"
    assert found.evidence == "args.json: stop_words = ['<im_end>']"


@pytest.mark.parametrize(
    ("untrained", "severity", "said"),
    [(True, "mitigated", "is untrained"), (None, "note", "its weights are not there")],
)
def test_b1_the_row_of_the_end_is_untrained_or_nobody_knows(
    make: Make, untrained: bool | None, severity: str, said: str
) -> None:
    template = make.turns(trained_end=("<im_end>",))
    found = the("B1", make(end_is_untrained=untrained, template=template))
    assert found.severity == severity
    assert said in found.evidence
    assert "<im_end> (257)" in found.evidence


def test_b2_padding_is_the_end_and_may_be_masked(make: Make) -> None:
    own = make.tokenizer(pad_token="<eos>")
    found = the("B2", make(own_tokenizer=own, trainer=make.trainer(name="TRL")))
    assert found.severity == "mitigated"
    assert "pad_token = eos_token = <eos>; written by TRL" in found.evidence
    assert found.action == "limits the tokens of an answer; only training mends it"


def test_b2_is_found_where_no_template_says_what_ends_an_answer(make: Make) -> None:
    own = make.tokenizer(pad_token="<eos>", chat_template=None)
    evidence = make(own_tokenizer=own, trainer=make.trainer(name="PEFT"), template=None)
    assert the("B2", evidence).severity == "mitigated"


def test_b3_nothing_ends_an_answer(make: Make) -> None:
    found = the(
        "B3", make(template=make.turns(trained_end=(), turn_start=(), role_markers=MARKERS))
    )
    assert found.severity == "mitigated"
    assert found.action == r"stops where the next turn begins: '\n### Human:'"


def test_b3_axolotl_left_the_end_out_of_the_loss(make: Make) -> None:
    template = make.turns(trained_end=("<im_end>",))
    found = the("B3", make(template=template, trainer=make.trainer(trained_tokens=("<|eot|>",))))
    assert "<im_end>" in found.evidence


def test_b4_samples_were_cut(make: Make) -> None:
    said = "args.json: truncation_strategy = right, max_length = 512"
    found = the("B4", make(trainer=make.trainer(cuts_samples=said)))
    assert (found.severity, found.evidence) == ("mitigated", said)


@pytest.mark.parametrize(("markers", "severity"), [(MARKERS, "fixable"), ((), "mitigated")])
def test_b5_the_end_was_trained_on_the_last_turn_only(
    make: Make, markers: tuple[str, ...], severity: str
) -> None:
    template = make.turns(ends_every_turn=False, role_markers=markers)
    assert the("B5", make(template=template)).severity == severity


def test_b5_the_trainer_says_so(make: Make) -> None:
    said = "README.md: train_on_eos = last"
    assert the("B5", make(trainer=make.trainer(leaves_ends_out=said))).evidence == said


def test_b6_a_training_of_few_steps_is_a_note(make: Make) -> None:
    found = the("B6", make(trainer=make.trainer(num_steps=49)))
    assert (found.severity, found.evidence) == ("note", "trainer_state.json: global_step = 49")


@pytest.mark.parametrize(
    ("own", "of_base", "said", "plain"),
    [
        (None, CHATML, "no chat template in the adapter", "uses the base's"),
        (None, None, "no chat template in the adapter", "answers 400"),
        ("its own", CHATML, "the adapter's own template", "uses the base's"),
        ("its own", None, "the adapter's own template", "answers 400"),
    ],
)
def test_c1_the_engine_does_not_read_the_adapters_template(
    make: Make, own: str | None, of_base: str | None, said: str, plain: str
) -> None:
    tokenizer = make.tokenizer(chat_template=of_base)
    found = the("C1", make(own_template=own, base_tokenizer=tokenizer))
    assert found.severity == "fixable"
    assert said in found.evidence
    assert plain in found.plain_vllm
    assert found.action == "writes template t (recorded)"


def test_c1_an_unknown_template_is_refused_with_what_to_do(make: Make) -> None:
    found = the("C1", make(template=None, own_template=None))
    assert found.severity == "refused"
    assert "--template NAME" in found.action


def test_c2_a_guess_is_never_silent(make: Make) -> None:
    found = the("C2", make(template=make.template(confidence="guessed")))
    assert found.severity == "mitigated"
    assert "--template NAME" in found.action


def test_c2_a_name_that_two_trainers_use_is_a_note(make: Make) -> None:
    template = make.template(table=find_template("ms-swift", "default"), name="default")
    found = the("C2", make(template=template))
    assert found.severity == "note"
    assert "LLaMA-Factory:default" in found.evidence
    assert found.action == "uses that of ms-swift"


def test_c3_a_system_prompt_was_trained(make: Make) -> None:
    found = the("C3", make(template=make.template(system="You are Qwen.")))
    assert found.severity == "fixable"
    assert "'You are Qwen.'" in found.evidence


def test_c3_llama_factory_may_hide_its_template_behind_the_bases(make: Make) -> None:
    found = the("C3", make(trainer=make.trainer(name="LLaMA-Factory")))
    assert found.severity == "mitigated"
    assert "--template LLaMA-Factory:NAME" in found.action


def test_c4_two_tokens_end_an_answer(make: Make) -> None:
    found = the("C4", make(template=make.turns(trained_end=("<eos>", "<im_end>"))))
    assert found.severity == "fixable"
    assert "<eos> and <im_end>" in found.evidence


def test_c4_template_and_tokenizer_both_write_the_bos(make: Make) -> None:
    begins = byte_level(TOKENS)
    begins.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 262)])
    tokenizer = make.tokenizer(tokenizer=begins, bos_token="<bos>")
    template = make.template(source="{{ bos_token }}" + CHATML)
    found = the("C4", make(base_tokenizer=tokenizer, template=template, own_template=CHATML))
    assert found.severity == "note"
    assert "<bos>" in found.evidence


def test_d3_tokens_were_added(make: Make) -> None:
    added = tuple((300 + i, f"<extra_{i}>") for i in range(5))
    found = the("D3", make(diff=TokenizerDiff(added=added)))
    assert "5 tokens" in found.evidence
    assert "<extra_0> (300)" in found.evidence
    assert "<extra_4>" not in found.evidence


def test_d5_ids_were_renamed(make: Make) -> None:
    found = the("D5", make(diff=TokenizerDiff(renamed=RENAMED)))
    assert "256 is <im_end> here and <eos> in the base" in found.evidence


def test_e1_plain_text_opens_the_next_turn(make: Make) -> None:
    found = the("E1", make(template=make.turns(turn_start=(), role_markers=MARKERS)))
    assert found.severity == "fixable"
    assert r"'\n### Human:'" in found.action


def test_e5_the_base_cuts_answers_short(make: Make) -> None:
    """Qwen2.5-14B's generation_config.json."""
    found = the("E5", make(base=make.files(EOS, EOS, max_new_tokens=64)))
    assert "max_new_tokens = 64" in found.evidence
    assert "64 tokens" in found.plain_vllm
