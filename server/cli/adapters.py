"""The command line of base_to_chat: inspect, convert, calibrate, verify. Heavy imports wait until a command runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EndturnError
from .calibration import (
    AnswersOption,
    CalibrationQuestion,
    CapOption,
    DataOption,
    FlagsArgument,
    PromptsOption,
    SeedOption,
)

AdapterArgument = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="Adapter or training run directory, or demo:NAME.")
]
BaseOption = Annotated[str, typer.Option(help="Its base model: a directory, a hub id, or 'demo'.")]
TemplateOption = Annotated[
    str | None,
    typer.Option(help="The template it was trained with: NAME, TRAINER:NAME, or a Jinja file."),
]
MergeOption = Annotated[bool, typer.Option(help="Write a standalone model instead of an adapter.")]
MaxRankOption = Annotated[
    int | None,
    typer.Option(help="Approximate a dense change of the embeddings by LoRA of this rank.", min=1),
]
InitialOption = Annotated[
    Path | None,
    typer.Option(help="The adapter that training started from (PiSSA, OLoRA, CorDA, LoftQ)."),
]


def inspect(
    adapter: AdapterArgument,
    base: BaseOption,
    template: TemplateOption = None,
    merge: MergeOption = False,
    max_rank: MaxRankOption = None,
    initial_adapter: InitialOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of the known causes of runaway generation an adapter has, and what convert does about each.

    Exit status: 0 nothing to do, 1 convert mends or limits what was found, 3 it cannot be converted, 2 an error.
    """
    from ..commands.adapter_commands import AdapterQuestion, inspect_command

    question = AdapterQuestion(
        adapter=adapter,
        base=base,
        template=template,
        merge=merge,
        max_rank=max_rank,
        initial_adapter=initial_adapter,
    )
    run_command(lambda: inspect_command(question, as_json=as_json))


def convert(
    adapter: AdapterArgument,
    base: BaseOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write.")],
    template: TemplateOption = None,
    merge: MergeOption = False,
    max_rank: MaxRankOption = None,
    initial_adapter: InitialOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE for the profile: temperature, max_tokens, ..."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a converted adapter in --output.")] = False,
    data: DataOption = None,
    prompts: PromptsOption = None,
    answers: AnswersOption = 400,
    cap: CapOption = 256,
    seed: SeedOption = 0,
    engine_flags: FlagsArgument = None,
) -> None:
    """Turn an adapter, as a trainer wrote it, into one that serves as chat (base_to_chat).

    \b
    ms-swift        endturn convert output/v0-... --base Qwen/Qwen2.5-7B -o OUT
    LLaMA-Factory   endturn convert saves/... --base Qwen/Qwen2.5-7B \\
                      --template LLaMA-Factory:qwen -o OUT
    TRL, Unsloth    endturn convert outputs/checkpoint-300 --base BASE -o OUT
    Axolotl         endturn convert outputs/out --base BASE -o OUT
    torchtune       endturn convert epoch_2 --base meta-llama/Meta-Llama-3-8B -o OUT
    PEFT, own text  endturn convert DIR --base BASE --template alpaca -o OUT

    \b
    then            endturn serve --model BASE --adapter NAME=OUT
    """
    from ..commands.adapter_commands import AdapterQuestion, convert_command

    question = AdapterQuestion(
        adapter=adapter,
        base=base,
        template=template,
        merge=merge,
        max_rank=max_rank,
        initial_adapter=initial_adapter,
    )

    wanted = CalibrationQuestion(
        base=base,
        data=data,
        prompts=prompts,
        answers=answers,
        cap=cap,
        seed=seed,
        engine_flags=tuple(engine_flags or ()),
    )

    def convert_and_calibrate() -> int:
        wanted.refuse_contradictions()
        status = convert_command(question, output=output, force=force, settings=settings or [])
        return wanted.run(output) if wanted.is_asked else status

    run_command(convert_and_calibrate)


def calibrate(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="A converted adapter.")],
    base: BaseOption,
    data: DataOption = None,
    prompts: PromptsOption = None,
    answers: AnswersOption = 400,
    cap: CapOption = 256,
    seed: SeedOption = 0,
    engine_flags: FlagsArgument = None,
) -> None:
    """Fit the stop head of a converted adapter on answers, or on prompts alone, and write it into its endturn.json.

    Flags of vLLM's engine come last: endturn calibrate ADAPTER --base BASE --prompts FILE -- --max-model-len 4096
    """
    wanted = CalibrationQuestion(
        base=base,
        data=data,
        prompts=prompts,
        answers=answers,
        cap=cap,
        seed=seed,
        engine_flags=tuple(engine_flags or ()),
    )

    def calibrate_one() -> int:
        wanted.refuse_contradictions()
        return wanted.run(adapter)

    run_command(calibrate_one)


def verify(
    adapters: Annotated[
        list[str],
        typer.Argument(
            metavar="ADAPTER...",
            help="Adapter directories, or NAME=DIRECTORY, or demo:NAME; then flags of vLLM's engine.",
        ),
    ],
    base: BaseOption,
    data: Annotated[
        Path, typer.Option(help="Held-out conversations: JSONL of messages, ShareGPT or Alpaca.")
    ],
    answers: Annotated[int, typer.Option(help="Answers of it that are asked for.", min=1)] = 200,
    sample: Annotated[
        int, typer.Option(help="Of these, how many are replayed and asked in other ways.", min=1)
    ] = 40,
    cap: Annotated[
        int | None,
        typer.Option(help="max_tokens of every request; default: the profile's.", min=1),
    ] = None,
    seed: SeedOption = 0,
    report: Annotated[
        Path | None, typer.Option(help="Write a self-contained HTML page here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write the recommended settings into endturn.json.")
    ] = False,
) -> None:
    """Ask adapters held-out questions with the guards off and on, and say what changed.

    Flags of vLLM's engine come last: endturn verify ADAPTER --base BASE --data FILE -- --max-model-len 4096

    Exit status: 0, 1 a replayed answer was no exact prefix of what the model said, 2 an error.
    """
    from ..commands.verify_command import VerifyQuestion, verify_command
    from ..observing.logs import configure_logging
    from .engine import engine_starter

    at = next((i for i, word in enumerate(adapters) if word.startswith("-")), len(adapters))
    question = VerifyQuestion(
        adapters=tuple(adapters[:at]),
        base=base,
        data=data,
        max_answers=answers,
        sample=sample,
        cap=cap,
        seed=seed,
        report=report,
        as_json=as_json,
        write=write,
        engine_flags=tuple(adapters[at:]),
    )

    def start_and_verify() -> int:
        configure_logging("warning")
        return verify_command(question, engine_starter(question.engine_flags, quiet=True))

    run_command(start_and_verify)


def run_command(run: Callable[[], int]) -> None:
    """Run a command; what goes wrong is one line on stderr and exit status 2."""
    from adapters.errors import AdapterError, printable

    try:
        status = run()
    except (EndturnError, AdapterError) as exc:
        typer.echo(f"endturn: {printable(str(exc))}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)
