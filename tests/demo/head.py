"""Fit the demo's stop head and keep it: `python -m tests.demo.head` writes server/demo/stop_head.json.

The same as `endturn convert demo:pydoc --base demo --data tests/demo/train.jsonl`, of which the head is kept.
"""

import json
import tempfile
from pathlib import Path

from adapters.chat_profile import read_profile
from server.commands.adapter_commands import AdapterQuestion, convert_command
from server.commands.calibrate_command import calibrate_command
from server.demo import STOP_HEAD

DATA = Path(__file__).parent / "train.jsonl"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "pydoc"
        convert_command(
            AdapterQuestion(adapter="demo:pydoc", base="demo"),
            output=made,
            force=False,
            settings=[],
        )
        calibrate_command(made, "demo", DATA, max_answers=400, seed=0)
        profile = read_profile(made)
    if profile is None or profile.stop_head is None:
        return 1
    STOP_HEAD.write_text(json.dumps(profile.stop_head, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
