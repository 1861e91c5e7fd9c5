"""Two checks of what is installed: `python -m tools.supply_chain vulnerabilities`, and `… sbom CONSTRAINTS SBOM`.

The first reads what pip-audit found in a release that has had vulnerabilities for years: a mirror of PyPI may not have
them, and an audit would then find none. The second tells whether an SBOM (CycloneDX, JSON) has every pinned package with
its version and all its hashes.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

_INCONCLUSIVE = 3
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def why_unknown(found: str) -> str:
    """Return why the vulnerabilities of one release are not in what pip-audit found of it; empty if they are."""
    try:
        (release,) = json.loads(found)["dependencies"]
        if reason := release.get("skip_reason"):
            return str(reason)
        return "" if release["vulns"] else f"none are known of {release['name']} {release['version']}, which has some"
    except (ValueError, LookupError, TypeError, AttributeError):
        return "pip-audit could not ask for them"


def pins(constraints: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package that a file pins."""
    starts = list(_PIN.finditer(constraints))
    ends = [one.start() for one in starts[1:]] + [len(constraints)]
    return {
        one[1]: (one[2], frozenset(_HASH.findall(constraints[one.start() : end])))
        for one, end in zip(starts, ends, strict=True)
    }


def differences(constraints: str, sbom: str) -> list[str]:
    """Return what an SBOM lacks of the pinned packages, or has besides them."""
    named = {one["name"]: (one["version"], _hashes(one)) for one in json.loads(sbom)["components"]}
    pinned = pins(constraints)
    lacks = [f"{name} {version} is missing" for name, (version, _) in pinned.items() if name not in named]
    differs = [f"{name} differs" for name, pin in pinned.items() if name in named and named[name] != pin]
    return lacks + differs + [f"{name} is not pinned" for name in named if name not in pinned]


def _hashes(component: dict[str, list[dict[str, list[dict[str, str]]]]]) -> frozenset[str]:
    return frozenset(
        one["content"] for reference in component.get("externalReferences", []) for one in reference.get("hashes", [])
    )


def main() -> None:
    """Run the check that the command line names; exit code 1 for a difference, 3 without a list of vulnerabilities."""
    if sys.argv[1:] == ["vulnerabilities"]:
        if why := why_unknown(sys.stdin.read()):
            sys.stdout.write(f"nothing is audited, because PyPI's vulnerabilities cannot be read: {why}\n")
            sys.exit(_INCONCLUSIVE)
        return
    _, constraints, sbom = sys.argv[1:]
    found = differences(Path(constraints).read_text(encoding="utf-8"), Path(sbom).read_text(encoding="utf-8"))
    sys.stdout.write("".join(f"{sbom}: {line}\n" for line in found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
