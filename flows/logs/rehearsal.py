"""The work on two lines: it loads the machine code that the work on all others needs."""

import io
from pathlib import Path

from flows.logs.duck import duck
from flows.logs.duck_settings import DuckSettings
from flows.logs.events_file import Events
from flows.logs.extract import Extractor
from flows.logs.objects import LogObject
from flows.logs.summarise import Summarised, summarise

_LINES = {
    "user_updates": b'"2017-04-01T00:00:42","1572","","","production"\n',
    "page_views": b'{"ts": "2017-04-15T17:09:09", "url": "/", "environment": "production", '
    b'"user_id": 1572}\n',
}


def rehearse(scratch: Path) -> Summarised:
    """Extract and summarise one line of each kind.

    Args:
        scratch: A folder for the files.
    """
    events, settings = {}, DuckSettings(threads=1, spill=scratch / "spill")
    with duck(settings) as connection:
        for kind, lines in _LINES.items():
            folder = scratch / kind
            folder.mkdir()
            extractor = Extractor(connection, "production", folder)
            item = LogObject(kind, kind, "", len(lines))
            made = extractor.extract([item], lambda item: io.BytesIO(_LINES[item.kind]))
            events[kind] = [Events(made.events, made.urls, made.spans)]
    return summarise(events, scratch, settings)
