"""The files that a script reads: its own modules, and what it gives to open()."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LONGEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ScriptFiles:
    """Files named relative to `folder`, that of the file that names them; a script without a folder has none.

    A script may be anyone's, and what it reads becomes a part of the probe file. So only files below the folder of the
    script, the folder above it and the working directory are read, and none that is hidden. `output` is the folder of
    the probe file, to which the names in it are relative.
    """

    folder: Path | None = None
    output: Path | None = None
    of_script: Path | None = None

    def path(self, name: str) -> Path:
        """Return the path of a file; raises OSError."""
        if self.folder is None:
            raise FileNotFoundError(2, "the script has no folder")
        path = _with_suffix(self.folder / name.removeprefix("file://")).resolve()
        of_script = (self.of_script or self.folder).resolve()
        for root in (of_script, of_script.parent, Path.cwd()):
            if path.is_relative_to(root) and not any(part.startswith(".") for part in path.relative_to(root).parts):
                return path
        raise PermissionError(13, "it is hidden, or far from the script and the working directory")

    def read(self, name: str) -> str:
        """Return the text of a file; raises OSError and UnicodeDecodeError."""
        path = self.path(name)
        if path.is_file() and path.stat().st_size > _LONGEST_BYTES:
            raise OSError(27, f"it is longer than {_LONGEST_BYTES // 1024**2} MiB")
        return path.read_text(encoding="utf-8-sig")

    def written(self, name: str) -> str:
        """Return the name of a file as the probe file has it; raises OSError."""
        path = self.path(name)
        output = (self.output or Path()).resolve()
        return str(path.relative_to(output) if path.is_relative_to(output) else path)

    def shown(self, name: str) -> str:
        """Return the name of a module for people: relative to the working directory, or absolute; raises OSError."""
        path = self.path(name)
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)

    def within(self, name: str) -> ScriptFiles:
        """Return the files of a module."""
        return ScriptFiles(self.path(name).parent, self.output, self.of_script or self.folder)


def _with_suffix(path: Path) -> Path:
    """Return the module that a bundler finds under a name without its suffix, or the path as it is."""
    if path.is_file():
        return path
    candidates = (Path(f"{path}{suffix}") for suffix in (".ts", ".js", "/index.ts", "/index.js"))
    return next((one for one in candidates if one.is_file()), path)
