"""Make the package importable, from its sources, in the interpreter that runs this.

Idea: an editable install of the build backend puts an import hook into the interpreter, which costs
start-up time in every process and may rebuild inside a child. Here the environment gets what an
ordinary installation would leave behind (metadata and the console script) and, in place of copied
modules, a path file that names the source folder: importing costs what it costs a user.

Invariant: running it again changes nothing; pip lists the package and can uninstall it.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """\
#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def write_metadata(folder: Path, project: dict[str, Any]) -> list[Path]:
    """Write the files by which installers and ``importlib.metadata`` know the package."""
    folder.mkdir(exist_ok=True)
    requires = "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    scripts = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    contents = {
        "METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\n"
        f"Version: {project['version']}\n{requires}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: develop\nRoot-Is-Purelib: false\n",
        "INSTALLER": "make\n",
        "entry_points.txt": f"[console_scripts]\n{scripts}",
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    return [folder / name for name in contents]


def write_script(folder: Path, name: str, target: str) -> Path:
    """Write the console script *name*, which calls *target* (``module:function``)."""
    module, _, function = target.partition(":")
    path = folder / name
    path.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
    path.chmod(0o755)
    return path


def main() -> None:
    """Write all of it into the running interpreter's environment."""
    if sys.prefix == sys.base_prefix:
        raise SystemExit(f"{sys.executable} is not a virtual environment; run `make build`")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site = Path(sysconfig.get_path("platlib"))
    path_file = site / f"{project['name']}-development.pth"
    path_file.write_text(f"{ROOT / 'src'}\n")
    record = site / f"{project['name']}-{project['version']}.dist-info"
    written = [path_file, *write_metadata(record, project)]
    bin_folder = Path(sysconfig.get_path("scripts"))
    written += [write_script(bin_folder, *each) for each in project["scripts"].items()]
    lines = [f"{path},,\n" for path in [*written, record / "RECORD"]]
    (record / "RECORD").write_text("".join(lines))


if __name__ == "__main__":
    main()
