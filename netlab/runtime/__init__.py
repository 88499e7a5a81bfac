"""The second door to the machine: processes in nodes, started, found again and ended."""

from netlab.runtime.programs import ProgramDoor, end_all, log_path

__all__ = ["ProgramDoor", "end_all", "log_path"]
