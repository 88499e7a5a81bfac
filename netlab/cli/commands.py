"""The group of commands: which command lies in which module. click is all that is imported here."""

from __future__ import annotations

import click

from netlab import __version__
from netlab.cli.group import Netlab

SECTIONS = {
    "Look first": {
        "validate": "file_commands",
        "plan": "file_commands",
        "trace": "trace_command",
        "reach": "reach_command",
        "diagram": "diagram_command",
        "examples": "example_commands",
        "schema": "file_commands",
    },
    "Make and take down": {
        "apply": "lab_commands",
        "confirm": "lab_commands",
        "destroy": "lab_commands",
        "gc": "gc_command",
    },
    "Look at what is there": {
        "status": "state_commands",
        "drift": "state_commands",
        "check": "check_command",
    },
    "Work inside": {
        "exec": "node_commands",
        "shell": "node_commands",
        "capture": "node_commands",
        "impair": "impair_command",
    },
    "This machine": {
        "doctor": "machine_commands",
        "completion": "machine_commands",
    },
}

EPILOG = """
\b
Example:
  netlab examples --copy .          # files to start from
  netlab plan bridge3.yml           # what apply would do
  netlab apply bridge3.yml          # do it
  netlab check bridge3              # prove it by probes
  netlab destroy bridge3            # take everything away

FILE is an argument with a / or ending in .yml or .yaml, LAB any other; with only one lab up, LAB may be left out.

Exit codes: 0 fine, 1 failed, 2 the command line or the file is wrong, 3 changes are pending (plan --check, drift),
4 checks failed.
"""

cli = Netlab(
    SECTIONS,
    name="netlab",
    help="A topology file becomes a plan, a picture, a network in the kernel, and proof by probes.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
click.version_option(__version__, prog_name="netlab", message="%(prog)s %(version)s")(cli)
