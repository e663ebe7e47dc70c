"""What only one operating system has is in one module, and its paths for the other systems do what they should."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espark.machine import free_memory, processes, windows

SOURCE = Path(__file__).parents[2] / "src" / "espark"
FORBIDDEN_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "msvcrt", "winreg", "syslog"}
FORBIDDEN_NAMES = {
    "os": {
        "fork", "forkpty", "killpg", "getpgid", "setsid", "setpgid", "geteuid", "getuid", "getgid", "chown", "mkfifo",
        "sysconf", "sched_getaffinity", "sched_setaffinity", "nice", "uname", "statvfs", "startfile", "wait", "waitpid",
    },
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "alarm", "setitimer", "CTRL_C_EVENT"},
}  # fmt: skip


def _calls_of_one_system(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [part.name for part in node.names if part.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in FORBIDDEN_NAMES.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg in ("start_new_session", "preexec_fn", "creationflags"):
            found.append(str(node.arg))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith(("/proc/", "/sys/"))
        ):
            found.append(node.value)
    return found


def test_no_other_module_calls_what_only_one_system_has() -> None:
    own = SOURCE / "machine"
    found = {path.relative_to(SOURCE).as_posix(): _calls_of_one_system(path.read_text(encoding="utf-8"))
             for path in SOURCE.rglob("*.py") if path.parent != own}  # fmt: skip
    assert not {name: calls for name, calls in found.items() if calls}
    assert sum(len(_calls_of_one_system(path.read_text(encoding="utf-8"))) for path in own.glob("*.py")) > 5
    assert _calls_of_one_system("import fcntl\nos.killpg(1, signal.SIGKILL)") == [
        "fcntl",
        "os.killpg",
        "signal.SIGKILL",
    ]


def test_a_group_dies_with_everything_that_it_started() -> None:
    child = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\n"
        "time.sleep(60)"
    )
    process = processes.start_group([sys.executable, "-c", child], stdout=subprocess.PIPE)
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    processes.kill_group(process)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    for _ in range(50):
        if not _alive(grandchild):
            return
        time.sleep(0.1)
    pytest.fail("the grandchild is still there")


def _alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_end_of_a_parent_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    processes.wait_for_end_of_parent(7, 0.0)
    assert next(parents, None) is None


def test_on_windows_taskkill_ends_the_tree_and_the_handle_of_the_parent_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "WINDOWS", True)
    commands: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    processes.kill_group(SimpleNamespace(pid=42, wait=lambda: 0))  # type: ignore[arg-type]
    assert commands == [["taskkill", "/PID", "42", "/T", "/F"]]
    calls: list[Any] = []
    kernel = SimpleNamespace(
        OpenProcess=lambda access, _, number: calls.append((access, number)) or 5,
        WaitForSingleObject=lambda handle, how_long: calls.append((handle, how_long)),
        CloseHandle=calls.append,
        GlobalMemoryStatusEx=lambda status: setattr(status._obj, "available", 3 << 30) or 1,
    )
    monkeypatch.setattr(windows, "kernel32", lambda: kernel)
    processes.wait_for_end_of_parent(9, 0.0)
    assert calls == [(0x00100000, 9), (5, 0xFFFFFFFF), 5]
    assert free_memory._free_on_machine() == 3 << 30
    assert not processes.is_root()


def test_free_memory_is_less_than_the_machine_has() -> None:
    assert 0 < free_memory.free_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
