"""Check an installation of the package: what is in it, and that it works.

Idea: run by the interpreter of a fresh environment, outside of the source folder. It compares the
modules that were installed with those of the sources, and runs a process, a queue and a pool from a
script, as a user's first program would.
"""

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

from package_files import package_files

SOURCES = Path(__file__).resolve().parent.parent / "src" / "procession"

PROGRAM = """\
import procession as multiprocessing

def double(number):
    return 2 * number

if __name__ == "__main__":
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(double, range(100)) == list(range(0, 200, 2))
        queue = context.Queue()
        process = context.Process(target=queue.put, args=(method,))
        process.start()
        assert queue.get(timeout=30) == method
        process.join(30)
        assert process.exitcode == 0
    print("works")
"""


def installed_files() -> set[str]:
    """Return the relative paths of the package's files in this environment, less the extension."""
    files = importlib.metadata.files("procession") or []
    inside = (file for file in files if file.parts[0] == "procession")
    return {str(Path(*file.parts[1:])) for file in inside if file.suffix not in (".so", ".pyc")}


def main() -> None:
    """Exit with a message unless the installation is whole and works."""
    if difference := set(package_files(SOURCES)) ^ installed_files():
        raise SystemExit(f"installed and source files differ: {sorted(difference)}")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.py")
        program.write_text(PROGRAM)
        for command in ([program], ["-m", "procession", "run", program]):
            subprocess.run([sys.executable, *command], check=True, timeout=120)
    subprocess.run([Path(sys.executable).with_name("procession"), "--version"], check=True)


if __name__ == "__main__":
    main()
