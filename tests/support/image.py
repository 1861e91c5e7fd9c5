"""The image on a machine without Docker: a root folder from the Dockerfile's own steps, and a pod's view of it.

The base image is this machine's /usr and its Python, and the pinned packages are those of the project's environment, at
the same versions; all other steps run as they stand. A process in it has the user, the rights and the writable folders
that configs/kubernetes/deployment.yml gives the container.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
_MEBIBYTE = 2**20
_NEW = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
# The libraries of the project's environment, which the image's own environment has links to.
_PACKAGES = "/opt/packages"
_DEVICES = ("null", "zero", "full", "random", "urandom")
# What the base image has besides /usr.
_ETC = ("group", "gshadow", "passwd", "shadow", "login.defs", "ld.so.cache", "nsswitch.conf", "ssl", "hosts")


def require_unshare() -> None:
    """Skip the test where this user may not make a root folder of its own."""
    if missing := [name for name in ("unshare", "setpriv", "chroot", "useradd") if shutil.which(name) is None]:
        pytest.skip(f"a root folder needs {', '.join(missing)}")
    tried = subprocess.run(
        [*_NEW, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"unshare and mount are not permitted here: {tried.stderr.strip()}")


class Image:
    """A root folder that is built once; each command runs in namespaces of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.configured = folder / "configured"
        self.secrets = folder / "secrets"
        self.user, self.folder = "root", "/"
        self.path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        self.words: dict[str, list[str]] = {}

    def build(self) -> None:
        """Carry out the Dockerfile."""
        for path in (self.state, self.configured, self.secrets):
            path.mkdir(parents=True)
        self._make_base()
        for instruction, text in _instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")):
            match instruction:
                case "COPY" if not text.startswith("--from"):
                    self._copy(*text.split())
                case "RUN":
                    for step in text.split("&&"):
                        self._run(step.strip())
                case "USER":
                    self.user = text
                case "WORKDIR":
                    self.folder = text
                    (self.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "ENV":
                    self.path = text.removeprefix("PATH=").replace("$PATH", self.path)
                case "ENTRYPOINT" | "CMD":
                    self.words[instruction] = yaml.safe_load(text) if text.startswith("[") else []

    @cached_property
    def pod(self) -> dict[str, Any]:
        """The Deployment's pod."""
        documents = yaml.safe_load_all((ROOT / "configs/kubernetes/deployment.yml").read_text(encoding="utf-8"))
        (pod,) = (one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Deployment")
        return dict(pod)

    def command(self, *words: str) -> list[str]:
        """Return the command that runs words in the image as the Deployment's container runs them."""
        (container,) = self.pod["containers"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        uid = str(self.pod["securityContext"]["runAsUser"])
        privileges = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
        privileges += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        return self._inside([*privileges, *self._shell(words, self.path, self.folder)], container["volumeMounts"])

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run words to their end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=300, check=False)

    def _shell(self, words: Iterator[str] | tuple[str, ...], path: str, folder: str) -> list[str]:
        environment = ["env", "-i", f"PATH={path}", "HOME=/home/alertdrill", "LANG=C.UTF-8"]
        return [*environment, "sh", "-c", f'cd {folder} && exec "$@"', "sh", *words]

    def _make_base(self) -> None:
        for name in ("usr", "etc", "proc", "dev", "tmp", "home", "opt/packages", "src", "var/lib/alertdrill"):
            (self.root / name).mkdir(parents=True)
        for path in Path("/").iterdir():
            if path.is_symlink() and path.name in {"bin", "sbin", "lib", "lib64"}:
                (self.root / path.name).symlink_to(path.readlink())
        for name in _ETC:
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, self.root / "etc" / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, self.root / "etc" / name)
        # The image's `python`.
        (self.root / "opt/python").mkdir()
        (self.root / "opt/python/python").symlink_to(getattr(sys, "_base_executable", sys.executable))
        for path in _outside():
            (self.root / str(path).lstrip("/")).mkdir(parents=True, exist_ok=True)
        for mount in self.pod["containers"][0]["volumeMounts"]:
            (self.root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _copy(self, *names: str) -> None:
        *sources, target = names
        for name in sources:
            source, place = ROOT / name, self.root / "src" / (target if target != "./" else name)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, place)

    def _run(self, step: str) -> None:
        words = shlex.split(step)
        if "--require-hashes" in words:
            self._link_packages(words[words.index("-r") + 1])
            return
        if words[1:3] == ["-m", "venv"]:
            words.insert(3, "--without-pip")
        if words[0].endswith("/bin/pip"):
            target = words[0].replace("/pip", "/python")
            words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", target, *words[1:]]
        shell = self._shell(tuple(words), f"/opt/python:{self.path}", "/src")
        subprocess.run(self._inside(shell, None), check=True, capture_output=True, timeout=300)

    def _link_packages(self, constraints: str) -> None:
        """Bring the pinned packages in from the project's environment, and no others."""
        (packages,) = self.root.glob("opt/alertdrill/lib/python*/site-packages")
        pins = re.findall(r"^([\w.-]+==[^\\\n]+)", (ROOT / constraints).read_text(encoding="utf-8"), re.MULTILINE)
        for pin in map(Requirement, pins):
            if pin.marker is not None and not pin.marker.evaluate():
                continue
            found = distribution(pin.name)
            assert pin.specifier.contains(found.version), f"{pin} is pinned, and {found.version} is installed"
            for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                (packages / name).symlink_to(f"{_PACKAGES}/{name}")

    def _inside(self, words: list[str], mounts: list[dict[str, Any]] | None) -> list[str]:
        """Return a command for words in the root folder: read-only but for a pod's mounts, or writable without them."""
        lines = ["set -e", *self._mounts(), *([] if mounts is None else self._volumes(mounts))]
        return [*_NEW, "sh", "-c", "\n".join([*lines, f"exec chroot {self.root} {shlex.join(words)}"])]

    def _mounts(self) -> Iterator[str]:
        root = self.root
        yield f"mount --bind {root} {root}"
        yield f"mount -t proc proc {root}/proc"
        yield f"mount -t tmpfs -o mode=755 tmpfs {root}/dev"
        for name in _DEVICES:
            yield f": > {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}"
        shm = f"{root}/dev/shm"  # noqa: S108 - as every container has it
        yield f"mkdir {shm}; mount -t tmpfs -o mode=1777,size={64 * _MEBIBYTE} tmpfs {shm}"
        places = {Path("/usr"): "/usr", Path(sysconfig.get_path("purelib")): _PACKAGES}
        for path, place in (places | {one: str(one) for one in _outside()}).items():
            yield f"mount --bind {path} {root}{place}; mount -o remount,bind,ro {root}{place}"

    def _volumes(self, mounts: list[dict[str, Any]]) -> Iterator[str]:
        root, volumes = self.root, {one["name"]: one for one in self.pod["volumes"]}
        uid = self.pod["securityContext"]["runAsUser"]
        yield f"mount -o remount,bind,ro {root}"
        for mount in mounts:
            at, volume = f"{root}{mount['mountPath']}", volumes[mount["name"]]
            if "emptyDir" in volume:
                yield f"mount -t tmpfs -o mode=1777 tmpfs {at}"
            elif "persistentVolumeClaim" in volume:
                yield f"chown {uid}:{uid} {self.state}; chmod 770 {self.state}; mount --bind {self.state} {at}"
            else:
                source = self.configured if "configMap" in volume else self.secrets
                yield f"mount --bind {source} {at}; mount -o remount,bind,ro {at}"


def _outside() -> list[Path]:
    """Return the folders of this machine that Python and the packages are in, where they are not in /usr."""
    folders = {Path(sys.base_prefix), Path(sys.prefix)}
    return sorted(path for path in folders if not path.is_relative_to("/usr"))


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", dockerfile)
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, _, text = line.strip().partition(" ")
            yield instruction, text.strip()


def owned(path: Path) -> tuple[int, int]:
    """Return the owner and the mode of a file."""
    status = path.stat()
    return status.st_uid, status.st_mode & 0o777
