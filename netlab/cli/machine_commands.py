"""Commands about this machine: doctor, completion."""

from __future__ import annotations

import click

from netlab.cli.arguments import file_argument
from netlab.cli.call import Call
from netlab.cli.verb import verb


@verb(
    "doctor",
    kind="doctor",
    examples=["netlab doctor", "netlab doctor bridge3.yml   # exit with 1 if it lacks what the file needs"],
)
@file_argument(required=False)
def doctor_command(call: Call, file: str | None) -> int:
    """Say what this kernel and machine can do, and what to install.

    With a FILE: exit with 1 if the file needs what is lacking.
    """
    from netlab import app

    found = app.doctor(file)
    if call.json:
        call.document(found.to_json(), found.obstacles)
    else:
        from netlab.cli.render_doctor import examined_text

        call.show(examined_text(found, file))
        call.warn(found.obstacles)
    return 1 if found.lacking else 0


@verb(
    "completion",
    examples=[
        "netlab completion bash > ~/.local/share/bash-completion/completions/netlab",
        'netlab completion zsh > "${fpath[1]}/_netlab"',
        "netlab completion fish > ~/.config/fish/completions/netlab.fish",
    ],
)
@click.argument("shell", metavar="SHELL", type=click.Choice(("bash", "zsh", "fish")))
def completion_command(call: Call, shell: str) -> None:
    """Print the script that completes commands on TAB.

    SHELL is bash, zsh or fish.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    found = get_completion_class(shell)
    assert found is not None, f"click knows no shell {shell}"
    root = click.get_current_context().find_root()
    # The base class's own: Bash's runs bash for its version, which says nothing of where the script will be used.
    call.show(ShellComplete.source(found(root.command, {}, "netlab", "_NETLAB_COMPLETE")).rstrip())
