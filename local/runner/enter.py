"""Enter an unpacked image and become its command.

Run by unshare(1) in a mount namespace of its own, so that what is mounted here vanishes with the
process. It replaces itself, so signals and exit codes are the command's own.

Usage: enter.py PLAN WORD...  with PLAN as JSON: root, volumes, read_only, user, directory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

# The environment belongs to the container; its PATH need not lead to this machine's mount(8).
_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], env=_TOOLS, check=True)


def main() -> None:
    """Mount, change root and user, and execute."""
    plan, words = json.loads(sys.argv[1]), sys.argv[2:]
    root = plan["root"]
    _mount("--rbind", root, root)
    for path in ("/proc", "/dev", "/sys"):
        (Path(root) / path.lstrip("/")).mkdir(exist_ok=True)
        _mount("--rbind", path, root + path)
    for path, volume in plan["volumes"].items():
        (Path(root) / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        _mount("--bind", volume, root + path)
    if plan["read_only"]:
        _mount("-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir(plan["directory"])
    user, _, group = plan["user"].partition(":")
    uid = int(user) if user.isdecimal() else 0
    if uid:
        os.setgroups([])
        os.setgid(int(group) if group.isdecimal() else uid)
        os.setuid(uid)
    os.execvp(words[0], words)  # noqa: S606 - the point of it


if __name__ == "__main__":
    main()
