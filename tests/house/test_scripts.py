"""The set-up that every script begins with: quick, safe against kills and twins, quiet on stdout, plain about lacks.

Python, pip and apt-get are stand-ins that write down how they were called; the real ones run in test_readme.py.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "readlink", "cksum", "flock", "mkdir", "rm", "mv", "cat", "grep", "ln", "chmod", "sleep", "env")

# Plays python3, and the python of the environment it makes. A file `old` beside it makes it too old, `no-venv` one that
# cannot make environments, `pip-fails` and `pip-hangs` what they say.
PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
  *sys.version_info*) [ ! -e "$TOGGLES/old" ] ;;
  *ensurepip*) [ ! -e "$TOGGLES/no-venv" ] ;;
  *--version*) echo 'Python 3.9.2' ;;
  *'-m venv'*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "#!$3/bin/python" >"$3/bin/pip" ;;
  *'-m pip'*)
    echo 'chatter of pip'
    [ ! -e "$TOGGLES/pip-fails" ] || { echo 'pip: no route'; exit 1; }
    if [ -e "$TOGGLES/pip-hangs" ]; then : >"$TOGGLES/hanging"; exec sleep 60; fi
    printf '#!/bin/sh\\necho "netlab ran: $*"\\n' >"${0%/*}/netlab"
    chmod +x "${0%/*}/netlab" ;;
  *sysconfig*) echo "${0%/bin/*}" ;;
esac
"""
APT = """#!/bin/sh
printf 'apt-get %s\\n' "$*" >>"$LOG"
echo 'chatter of apt'
case "$*" in
  update) : >"$TOGGLES/updated" ;;
  *) [ -e "$TOGGLES/updated" ] || exit 100; rm -f "$TOGGLES/no-venv" ;;
esac
"""
ID = '#!/bin/sh\ncat "$TOGGLES/uid"\n'


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout with the real scripts, on a machine of stand-ins."""

    root: Path
    tools: Path
    toggles: Path
    log: Path

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        home = self.toggles / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": str(self.tools), "HOME": str(home), "LOG": str(self.log), "TOGGLES": str(self.toggles), **more
        }  # fmt: skip

    def start(self, *words: str, script: Path | None = None, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [script or self.root / "scripts/netlab", *words],
            cwd="/", env=self.environment(more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str, script: Path | None = None, **more: str) -> tuple[int, str, str]:
        process = self.start(*words, script=script, **more)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def set(self, toggle: str) -> None:
        (self.toggles / toggle).touch()

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def count(self, word: str) -> int:
        return sum(word in call for call in self.calls())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, tools, toggles = tmp_path / "check out", tmp_path / "bin", tmp_path / "toggles"
    for directory in (root, tools, toggles):
        directory.mkdir()
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "pyproject.toml").write_text("[project]\n")
    for tool in (*TOOLS, "cp"):
        (tools / tool).symlink_to(shutil.which(tool) or "/bin/" + tool)
    for name, text in (("python3", PYTHON), ("apt-get", APT), ("id", ID)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for name in ("dot", "ip", "nft"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    (toggles / "uid").write_text("1000\n")
    return Checkout(root, tools, toggles, tmp_path / "log")


def test_the_first_start_sets_up_and_runs_netlab_with_its_words(checkout: Checkout) -> None:
    status, out, err = checkout.run("apply", "a b.yml")
    assert (status, out) == (0, "netlab ran: apply a b.yml\n")
    assert err == f"netlab: making {checkout.root}/.venv (once)\n"


def test_later_starts_call_no_python_and_say_nothing(checkout: Checkout) -> None:
    checkout.run()
    before = checkout.calls()
    assert checkout.run("x") == (0, "netlab ran: x\n", "")
    assert checkout.calls() == before


def test_a_changed_pyproject_installs_again_in_the_same_environment(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    checkout.run()
    assert (checkout.count("-m pip"), checkout.count("-m venv")) == (2, 1)


def test_tests_need_more_than_netlab_and_neither_is_set_up_twice(checkout: Checkout) -> None:
    test = checkout.root / "scripts/test"
    for script in (None, test, None, test):
        checkout.run("words", script=script)
    installed = [call.rpartition("--editable ")[2] for call in checkout.calls() if "-m pip" in call]
    assert installed == [f"{checkout.root}", f"{checkout.root}[test]"]
    assert checkout.calls()[-1] == "-m pytest words"


def test_it_works_through_a_link_from_anywhere(checkout: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    link.symlink_to(checkout.root / "scripts/netlab")
    assert checkout.run("x", script=link)[:2] == (0, "netlab ran: x\n")


def test_a_moved_checkout_is_set_up_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run()
    moved = checkout.root.rename(tmp_path / "moved")
    status, out, _ = checkout.run("x", script=moved / "scripts/netlab")
    assert (status, out) == (0, "netlab ran: x\n")
    assert checkout.count(f"-m venv {moved}/.venv") == 1


def test_killed_in_the_middle_it_starts_from_nothing(checkout: Checkout) -> None:
    checkout.set("pip-hangs")
    process = checkout.start()
    deadline = time.monotonic() + 20
    while not (checkout.toggles / "hanging").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    (checkout.toggles / "pip-hangs").unlink()
    (checkout.root / ".venv/half-made").touch()
    assert checkout.run("x")[:2] == (0, "netlab ran: x\n")
    assert not (checkout.root / ".venv/half-made").exists()
    assert checkout.count("-m venv") == 2


def test_an_environment_made_by_hand_is_taken_over_whole(checkout: Checkout) -> None:
    venv = checkout.root / ".venv"
    subprocess.run(
        [checkout.tools / "python3", "-m", "venv", venv], env=checkout.environment({}), timeout=20, check=True
    )
    (venv / "own").touch()
    assert checkout.run("x")[:2] == (0, "netlab ran: x\n")
    assert (venv / "own").exists()


def test_two_at_once_set_up_once(checkout: Checkout) -> None:
    both = [checkout.start("x") for _ in range(2)]
    assert [process.communicate(timeout=30)[0] for process in both] == ["netlab ran: x\n"] * 2
    assert checkout.count("-m pip") == 1


def test_pip_that_fails_shows_its_words_and_runs_nothing(checkout: Checkout) -> None:
    checkout.set("pip-fails")
    status, out, err = checkout.run()
    assert (status, out) == (1, "")
    assert "pip: no route" in err
    assert "could not be installed" in err


def test_pip_that_fails_costs_nobody_the_environment(checkout: Checkout) -> None:
    checkout.set("pip-fails")
    checkout.run()
    (checkout.root / ".venv/own").touch()
    (checkout.toggles / "pip-fails").unlink()
    assert checkout.run("x")[:2] == (0, "netlab ran: x\n")
    assert (checkout.root / ".venv/own").exists()


def test_an_old_python_is_named_with_what_to_type(checkout: Checkout) -> None:
    checkout.set("old")
    status, out, err = checkout.run()
    assert (status, out) == (1, "")
    assert err == (
        "netlab: Python 3.9.2 is too old: Python 3.11 or later is needed. Type: sudo apt-get install python3.11-venv\n"
    )


def test_a_newer_python_beside_an_old_one_is_found(checkout: Checkout) -> None:
    checkout.set("old")
    (checkout.tools / "python3.12").write_text(PYTHON.replace('[ ! -e "$TOGGLES/old" ]', "true"))
    (checkout.tools / "python3.12").chmod(0o755)
    assert checkout.run("x")[:2] == (0, "netlab ran: x\n")


def test_no_python_at_all(checkout: Checkout) -> None:
    (checkout.tools / "python3").unlink()
    status, _, err = checkout.run()
    assert (status, err) == (
        1,
        "netlab: Python 3.11 or later is needed. Type: sudo apt-get install python3-venv\n",
    )


def test_a_user_without_venv_is_told_what_to_type(checkout: Checkout) -> None:
    checkout.set("no-venv")
    status, _, err = checkout.run()
    assert (status, err) == (
        1,
        "netlab: python3 cannot make virtual environments here. Type: sudo apt-get install python3-venv\n",
    )
    assert checkout.count("apt-get") == 0


def test_a_user_goes_on_without_what_only_root_can_install(checkout: Checkout) -> None:
    (checkout.tools / "dot").unlink()
    status, out, err = checkout.run("x")
    assert (status, out) == (0, "netlab ran: x\n")
    assert "going on without graphviz" in err
    assert "sudo apt-get install graphviz" in err


def test_root_installs_what_is_missing_and_fetches_the_lists_when_needed(checkout: Checkout) -> None:
    (checkout.toggles / "uid").write_text("0\n")
    checkout.set("no-venv")
    (checkout.tools / "dot").unlink()
    status, out, err = checkout.run("x")
    assert (status, out) == (0, "netlab ran: x\n")
    assert "chatter" not in err
    asked = [call.rpartition("Timeout=120 ")[2] for call in checkout.calls() if call.startswith("apt-get")]
    assert asked == ["python3-venv", "apt-get update", "python3-venv", "graphviz"]


def read_only(checkout: Checkout, *words: str, **more: str) -> tuple[int, str, str]:
    """Run scripts/netlab of a checkout that nobody can write, as a read-only mount is for root too."""
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(checkout.root)]
    environment = checkout.environment(more)
    command = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    done = subprocess.run(
        [*unshare, *command, str(checkout.root / "scripts/netlab"), *words],
        cwd="/", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.kernel
def test_a_read_only_checkout_uses_the_users_cache(checkout: Checkout) -> None:
    cache = checkout.toggles / "cache"
    for _ in range(2):
        assert read_only(checkout, "x", XDG_CACHE_HOME=str(cache))[:2] == (0, "netlab ran: x\n")
    (venv,) = cache.iterdir()
    assert venv.name.startswith("netlab-venv-")
    assert not (checkout.root / ".venv").exists()
    assert (checkout.count("-m venv"), checkout.count("-m pip")) == (1, 1)
    assert (venv / "source/pyproject.toml").resolve() == checkout.root / "pyproject.toml"


@pytest.mark.kernel
def test_a_user_without_a_home_uses_a_directory_of_his_own(checkout: Checkout) -> None:
    place = checkout.toggles / "tmp"
    place.mkdir()
    status, out, _ = read_only(checkout, "x", HOME="/proc", TMPDIR=str(place))
    assert (status, out) == (0, "netlab ran: x\n")
    assert (place / "netlab-1000").stat().st_mode & 0o777 == 0o700


@pytest.mark.kernel
def test_a_directory_that_somebody_else_put_there_is_not_trusted(checkout: Checkout) -> None:
    place, trap = checkout.toggles / "tmp", checkout.toggles / "trap"
    place.mkdir()
    trap.mkdir()
    (place / "netlab-1000").symlink_to(trap)
    status, out, err = read_only(checkout, "x", HOME="/proc", TMPDIR=str(place))
    assert (status, out) == (1, "")
    assert "is not a directory of yours" in err
    assert list(trap.iterdir()) == []


def with_a_test_left(checkout: Checkout) -> None:
    """Let the tests say that one of them needs another kernel."""
    left = "  *'tests.record left'*) echo tests/test_x.py::test_x ;;\n"
    (checkout.tools / "python3").write_text(PYTHON.replace("esac", left + "esac"))
    for tool in ("mktemp", "id"):
        if not (checkout.tools / tool).exists():
            (checkout.tools / tool).symlink_to(shutil.which(tool) or "/bin/" + tool)


def test_a_full_kernel_that_a_user_cannot_have_fails_only_where_it_is_asked_for(checkout: Checkout) -> None:
    with_a_test_left(checkout)
    test = checkout.root / "scripts/test"
    assert checkout.run(script=test)[0] == 0
    status, _, err = checkout.run("--full", script=test)
    assert status == 1
    assert "a full kernel needs QEMU. Type: sudo apt-get install --no-install-recommends qemu-system-x86" in err
    assert checkout.count("apt-get") == 0
    assert "-m tests.record table" in checkout.calls()[-1], "what did run is still told"


def test_where_nothing_is_left_no_full_kernel_is_booted(checkout: Checkout) -> None:
    (checkout.tools / "mktemp").symlink_to(shutil.which("mktemp") or "/bin/mktemp")
    status, _, err = checkout.run("--full", script=checkout.root / "scripts/test")
    assert (status, "qemu" in err) == (0, False)
