"""The flags of `endturn calibrate`, which `convert` has too: answers or prompts to fit a stop head on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..errors import StartError

DataOption = Annotated[
    Path | None,
    typer.Option(help="Answers to calibrate on: JSONL of messages, ShareGPT or Alpaca."),
]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        help="Prompts to calibrate on where there are no answers: JSONL as for --data, or .txt with one a line. "
        "The engine is started, and the adapter runs on to --cap."
    ),
]
CapOption = Annotated[
    int, typer.Option(help="With --prompts: tokens of an answer at most.", min=16)
]
FlagsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- FLAG...]", help="With --prompts: flags of vLLM's engine."),
]
AnswersOption = Annotated[int, typer.Option(help="Answers or prompts of it that are used.", min=10)]
SeedOption = Annotated[int, typer.Option(help="Which of them, and how they are split.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationQuestion:
    """What `calibrate` and `convert` were asked to fit a stop head on."""

    base: str
    data: Path | None
    prompts: Path | None
    answers: int
    cap: int
    seed: int
    engine_flags: tuple[str, ...]

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to fit on."""
        return self.data is not None or self.prompts is not None

    def refuse_contradictions(self) -> None:
        """Answers or prompts, and engine flags where the engine is started.

        Raises:
            StartError: it is otherwise.
        """
        if self.data is not None and self.prompts is not None:
            raise StartError(
                f"--data {self.data} and --prompts {self.prompts}: one of them; answers are better where there are any"
            )
        if not self.engine_flags:
            return
        if not self.engine_flags[0].startswith("-"):
            raise StartError(
                f"{self.engine_flags[0]}: one adapter is taken; the engine's flags come after --"
            )
        if self.prompts is None:
            raise StartError(
                f"{self.engine_flags[0]}: the engine is started for --prompts alone; leave its flags out"
            )

    def run(self, adapter: Path) -> int:
        """Fit, write and print.

        Raises:
            StartError: there is nothing to fit on, or the engine cannot start.
            EndturnError: the engine died.
            AdapterError: a file is broken, or too little can be fitted on.
        """
        from ..commands.calibrate_command import calibrate_command, calibrate_prompts_command

        if self.data is not None:
            return calibrate_command(
                adapter, self.base, self.data, max_answers=self.answers, seed=self.seed
            )
        if self.prompts is None:
            raise StartError("--data FILE with answers is needed, or --prompts FILE without")
        from ..observing.logs import configure_logging
        from .engine import engine_starter

        configure_logging("warning")
        return calibrate_prompts_command(
            adapter,
            self.base,
            self.prompts,
            engine_starter(self.engine_flags, quiet=True),
            max_prompts=self.answers,
            cap=self.cap,
            seed=self.seed,
        )
