"""`plan --commands` is honest: run by `sh -e` on an empty machine, a plan of the file then finds nothing to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netlab import app
from tests.kernel.forms import FORMS
from tests.kernel.made_up_machine import PROJECT
from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.test_edits import BASE, EDITS, Edit
from tests.kernel.test_edits_ipv6 import IPV6

pytestmark = pytest.mark.kernel

#: Nobody types a thousand nodes.
FILES = sorted(file for file in (PROJECT / "topologies").rglob("*.yml") if file.stem != "many")
TEXTS = [*FORMS, BASE, IPV6]


#: Edits whose commands do less than apply: a namespace goes in the kernel's own time, and devices do not follow when a
#: default of theirs changes.
BEYOND_COMMANDS = ("node-", "default-", "device-settings-of-all-sorts", "ipv6-added")


def type_in(stage: Stage, text: str) -> None:
    """Run the commands of a plan of a text, as a person would type them on the machine."""
    planned = stage.plan(text)
    assert planned.plan
    stage.lab = planned.lab
    stage.sh("host", "\n".join(app.plan_commands(planned)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@made_up
def test_the_commands_of_an_example_are_the_example(stage: Stage, file: Path) -> None:
    stage.sandbox = False
    type_in(stage, file.read_text())
    assert told(stage.plan(file.read_text()).plan) == []
    check(stage, stage.wants())
    # What is typed bears netlab's marks: apply takes it over, destroy takes it all.
    assert told(stage.apply(file.read_text()).plan) == []
    stage.destroy()
    _type_back()


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.split()[1])
@made_up
def test_the_commands_of_every_form_make_it(stage: Stage, text: str) -> None:
    stage.sandbox = False
    type_in(stage, text)
    assert told(stage.plan(text).plan) == []
    check(stage, stage.wants())
    stage.destroy()
    _type_back()


@pytest.mark.parametrize(
    "edit", [e for e in EDITS if not e.name.startswith(BEYOND_COMMANDS)], ids=lambda edit: edit.name
)
@made_up
def test_the_commands_of_an_edit_make_it(stage: Stage, edit: Edit) -> None:
    stage.sandbox = False
    stage.apply(BASE)
    for text in (edit.text, BASE):
        type_in(stage, text)
        assert told(stage.apply(text).plan) == []
        check(stage, stage.wants())


def _type_back() -> None:
    """Undo what was typed into the machine's own settings: netlab has not set it, and leaves it."""
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"], check=True)
