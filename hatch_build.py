"""Brings the viewers of the workbench into the package when it is built: from npm, at fixed versions, checked by hash.

Without npm or a network the build goes on; `espark serve` then names what is missing. A wheel holds the viewers.
Run this file to bring them into a working copy: ``python hatch_build.py``.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    BuildHookInterface = object

VENDOR = Path(__file__).parent / "src" / "espark" / "serve" / "static" / "vendor"

PACKAGES: dict[str, tuple[str, str, dict[str, str]]] = {
    "openseadragon": (
        "6.1.1",
        "sha512-g4iKe2q8B642SaBT3+x4ZF3/8b1TxPPydyjmtrOLgDrlYWMKd9ZXM+1Cb/xa9DVySkvs/7l6HR1nHKfD5F3Tsw==",
        {
            "package/build/openseadragon/openseadragon.min.js": "openseadragon.min.js",
            "package/LICENSE.txt": "LICENSE.txt",
        },
    ),
}
"""By name: version, hash of the archive, and the files that are taken from it with their new names."""


class ViewersHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Runs before a wheel, an sdist or an editable installation is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring what is missing; say what could not be brought."""
        del version, build_data
        for problem in bring_viewers():
            self.app.display_warning(problem)


def bring_viewers() -> list[str]:
    """Bring every viewer that is not here in its version.

    Returns:
        A sentence for each that could not be brought.
    """
    return [problem for name in PACKAGES if (problem := _bring(name))]


def _bring(name: str) -> str:
    version, integrity, wanted = PACKAGES[name]
    target = VENDOR / name
    mark = target / "VERSION"
    if mark.is_file() and mark.read_text(encoding="utf-8") == version:
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return f"{name} is missing, because npm is not installed. The workbench shows no slides without it."
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", folder]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder)
        except (subprocess.SubprocessError, OSError):
            return f"{name} is missing, because npm could not fetch it. The workbench shows no slides without it."
        (archive,) = Path(folder).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != integrity:
            raise ValueError(f"{name} {version} from npm is not the archive that was expected: its hash is {found}")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        with tarfile.open(archive) as opened:
            for member, new_name in wanted.items():
                source = opened.extractfile(member)
                if source is None:
                    raise ValueError(f"{name} {version} holds no {member}")
                (target / new_name).write_bytes(source.read())
    mark.write_text(version, encoding="utf-8")
    return ""


if __name__ == "__main__":
    problems = bring_viewers()
    sys.exit("\n".join(problems) or 0)
