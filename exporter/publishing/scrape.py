"""One scrape: the published families and the exporter's own metrics, as bytes to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from exporter.formats import deflate
from exporter.formats.crc import combine
from exporter.formats.exposition import EOF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.publishing.beside import Beside
    from exporter.publishing.store import SnapshotStore
    from exporter.telemetry import Telemetry


class Inflated(Sequence[bytes]):
    """Compressed pieces, each inflated when it is read, so that a plain scrape never holds all of them."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Keep the compressed pieces; they are shared with the gzip scrapes."""
        self._pieces = pieces

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        found = self._pieces[index]
        return deflate.inflate(found) if isinstance(found, bytes) else Inflated(found)


def scrape(
    store: SnapshotStore, telemetry: Telemetry, *, openmetrics: bool, gzip: bool, beside: Iterable[Beside] = ()
) -> tuple[Sequence[bytes], int]:
    """One scrape: pieces to be sent in order, and their length together.

    `beside` are families of no project. With `gzip` the pieces are one gzip member (RFC 1952). Nothing here waits for a
    poll or for a lock that one holds.
    """
    exposition = store.exposition
    joined = exposition.openmetrics if openmetrics else exposition.text
    telemetry.show(exposition.projects, exposition.series)
    own = telemetry.render(openmetrics=openmetrics) + (EOF if openmetrics else b"")
    others = [each.openmetrics if openmetrics else each.text for each in beside]
    pieces, crc, size = list(joined.pieces), joined.crc, joined.size
    for fragment in (*others, deflate.fragment(own)):
        crc, size = combine(crc, fragment.crc, fragment.size), size + fragment.size
        pieces.append(fragment.deflated)
    if not gzip:
        return Inflated(pieces), size
    packed = (deflate.GZIP_HEADER, *pieces, deflate.trailer(crc, size))
    return packed, sum(map(len, packed))
