"""The lists of files in the CMakeLists.txt of module and library. Slicer installs what is listed and nothing else.

python Testing/module/packaging/cmake_file_lists.py          # write the lists anew from the tree
python Testing/module/packaging/cmake_file_lists.py --check  # exit code 1 when they differ from it
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# CMakeLists.txt -> list -> (folder that the entries are relative to, which of its files)
LISTS = {
    "Xray2MRI/CMakeLists.txt": {
        "MODULE_PYTHON_SCRIPTS": ("Xray2MRI", lambda name: name.endswith(".py")),
        "MODULE_PYTHON_RESOURCES": ("Xray2MRI", lambda name: name.startswith("Resources/")),
    },
    "Xray2MRILib/CMakeLists.txt": {
        "LIBRARY_PYTHON_SCRIPTS": ("Xray2MRILib", lambda name: name.endswith(".py")),
        "LIBRARY_FILES": ("Xray2MRILib", lambda name: not name.endswith((".py", "CMakeLists.txt"))),
        "LIBRARY_RESOURCES": ("Resources", lambda name: True),
    },
}


def files_in(folder: str, root: Path = ROOT) -> list[str]:
    """Names of the files below a folder of the repository, relative to it, without what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", folder]
    told = subprocess.run(command, cwd=root, capture_output=True)
    if told.returncode == 0 and told.stdout:
        names = [name for name in told.stdout.decode().split("\0") if name and (root / name).is_file()]
    else:  # an unpacked archive
        paths = [path for path in (root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        names = [path.relative_to(root).as_posix() for path in paths]
    return sorted({name.removeprefix(f"{folder}/") for name in names})


def wanted(list_file: str, root: Path = ROOT) -> dict[str, list[str]]:
    """List -> entries, from the tree."""
    return {
        name: [file for file in files_in(folder, root) if belongs(file)]
        for name, (folder, belongs) in LISTS[list_file].items()
    }


def written(list_file: str, root: Path = ROOT) -> dict[str, list[str]]:
    """List -> entries, from the CMakeLists.txt."""
    text = (root / list_file).read_text(encoding="utf-8")
    return {name: _block(name).search(text)[1].split() for name in LISTS[list_file]}


def refresh(list_file: str, root: Path = ROOT) -> None:
    """Write the lists of a CMakeLists.txt anew."""
    path = root / list_file
    text = path.read_text(encoding="utf-8")
    for name, entries in wanted(list_file, root).items():
        lines = "".join(f"  {entry}\n" for entry in entries)
        text = _block(name).sub(lambda match, name=name, lines=lines: f"set({name}\n{lines}  )", text)
    path.write_text(text, encoding="utf-8", newline="\n")


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"set\({name}\n((?:  [^\s)]+\n)*)  \)")


def main(arguments: list[str]) -> int:
    """Write or check. Returns the exit code."""
    different = [name for name in LISTS if wanted(name) != written(name)]
    if "--check" in arguments:
        for name in different:
            print(f"{name} does not list the files of the tree: run this program without --check.")
        return 1 if different else 0
    for name in different:
        refresh(name)
        print(f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
