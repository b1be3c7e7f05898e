"""Which program this is, exactly: its version alone is the same for every build between two releases."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import exporter


def digest(folder: Path = Path(exporter.__file__).parent) -> bytes:
    """A digest of every module in the program's folder, 32 bytes; nothing where they cannot be read."""
    try:
        sources = [(path.relative_to(folder), path.read_bytes()) for path in sorted(folder.rglob("*.py"))]
    except OSError:
        return b""
    if not sources:  # installed in another form
        return b""
    found = sha256(f"{exporter.__version__} {sys.byteorder}".encode())
    for name, source in sources:
        found.update(f"\n{name} {len(source)}\n".encode())
        found.update(source)
    return found.digest()
