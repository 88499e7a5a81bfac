"""The store: what netlab must remember because the kernel cannot.

Cheap to import (json, os, fcntl and dataclasses only), since `destroy` uses it.
"""

from netlab.store.ledger import Entry, Kept, Ledger, Restore
from netlab.store.lock import Lock
from netlab.store.records import VERSION, Record
from netlab.store.store import Store

__all__ = ["VERSION", "Entry", "Kept", "Ledger", "Lock", "Record", "Restore", "Store"]
