"""Train through LLaMA-Factory's web UI, without a browser: fill the form, press Start.

Runs inside the trainer's environment (`python with_llamaboard.py SETTINGS.json`); settings are values of form fields by
their id. The UI is what writes training_args.yaml and llamaboard_config.yaml.
"""

import json
import sys
from pathlib import Path

import gradio
from llamafactory.webui.components import create_top, create_train_tab
from llamafactory.webui.engine import Engine


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    engine = Engine()
    with gradio.Blocks() as ui:
        engine.manager.add_elems("top", create_top())
        engine.manager.add_elems("train", create_train_tab(engine))
        (start,) = (event for event in ui.fns.values() if event.name == "run_train")
        form = {field: getattr(field, "value", None) for field in start.inputs}
        form |= {engine.manager.get_elem_by_id(name): value for name, value in settings.items()}
        for _ in engine.runner.run_train(form):
            pass


if __name__ == "__main__":
    main()
