"""The command line: arguments become one call of netlab.app, and its result becomes words or one JSON document.

    main       the entry point
    commands   the group of all commands
    verb       what every command has: --json, --verbose, --color, examples in its help
    call       one run of netlab: where its results and its talk go
    ending     how a run that fails ends: words or a document, and the exit code
    *_commands the commands, a few to a module; each module is loaded when its command is called
    render_*   results -> text, pure

Nothing here is imported at start but click: `netlab --help` answers at once.
"""
