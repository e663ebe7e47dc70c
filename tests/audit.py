"""Compare the installed packages with the known vulnerabilities, and say so when the service does not answer.

    make audit

The exit code is 0 without a known vulnerability, 1 with one, and 3 when no package could be compared.
"""

from __future__ import annotations

import json
import subprocess
import sys

FOUND, UNKNOWN = 1, 3


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(done.stderr, file=sys.stderr)
        packages = []
    compared = [package for package in packages if "skip_reason" not in package]
    if not compared:
        print("The service of known vulnerabilities could not be reached. Nothing was compared.", file=sys.stderr)
        return UNKNOWN
    known = [(package, fault) for package in compared for fault in package["vulns"]]
    for package, fault in known:
        fixed = ", ".join(fault["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {fault['id']}, fixed in {fixed}")
    print(f"{len(compared)} of {len(packages)} packages were compared: {len(known)} known vulnerabilities.")
    return FOUND if known else 0


if __name__ == "__main__":
    sys.exit(main())
