"""Options and fixtures that all tests share, and the choice of tests by what the kernel can do."""

import signal
from importlib import import_module
from pathlib import Path

import pytest

from tests.capabilities import PROBES, lacking
from tests.record import Record

#: What most tests of the kernel need. They fork first, and without this would import it in every child.
IMPORTED_ONCE = (
    *("networkx", "ruamel.yaml", "netlab.topology.parsing", "netlab.topology.resolving", "netlab.kernel.birth"),
    *("netlab.app.applying", "netlab.app.destroying", "netlab.app.look", "netlab.probe.run", "netlab.runtime.programs"),
)

# A shell's background jobs are told to ignore Ctrl-C, and their children with them: tests of Ctrl-C need the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update", action="store_true", help="write the golden files anew, to be reviewed as a difference"
    )
    parser.addoption("--record", type=Path, metavar="FILE", help="write down how the tests that need something ended")
    parser.addoption("--demand", action="store_true", help="fail the tests that need what the kernel lacks")


def pytest_configure(config: pytest.Config) -> None:
    file: Path | None = config.getoption("--record")
    # Of xdist's processes the one that has no tests of its own hears of all.
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Record(file))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if unknown := _needs(item) - PROBES.keys():
            raise pytest.UsageError(f"{item.nodeid} needs {', '.join(sorted(unknown))}: not in tests/capabilities.py")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import before all tests where that takes seconds: on the emulated processor of a full kernel."""
    distributes = session.config.getoption("numprocesses", None)  # to workers, which run the tests
    if session.config.getoption("--demand") and not distributes:
        for module in IMPORTED_ONCE:
            import_module(module)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, or fail it, before anything is set up for it on a kernel that lacks what it needs."""
    needs = _needs(item)
    if not needs:
        return
    lacks = sorted(lacking(needs))
    item.user_properties += [("needs", sorted(needs)), ("lacks", lacks)]
    if lacks and item.config.getoption("--demand"):
        pytest.fail(f"this kernel has no {', '.join(lacks)}", pytrace=False)
    if lacks:
        pytest.skip(f"this kernel has no {', '.join(lacks)}: scripts/test --full runs this")


def _needs(item: pytest.Item) -> frozenset[str]:
    return frozenset(name for marker in item.iter_markers("needs") for name in marker.args)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update"))
