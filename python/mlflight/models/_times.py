"""Points in time as YAML writes them."""

from __future__ import annotations

import datetime
import re

_FORM = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::?(\d\d))?))?)?"
)


def parse(text: str) -> datetime.date | str:
    """Return a ``date`` or ``datetime``; the text itself where it is neither."""
    found = _FORM.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, fraction, utc, sign, offset_hours, offset_minutes = found.groups()
    try:
        if hour is None:
            return datetime.date(int(year), int(month), int(day))
        microsecond = int((fraction or "").ljust(6, "0")[:6])
        zone = None
        if utc:
            zone = datetime.timezone.utc
        elif sign:
            offset = datetime.timedelta(hours=int(offset_hours), minutes=int(offset_minutes or 0))
            zone = datetime.timezone(-offset if sign == "-" else offset)
        return datetime.datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), microsecond, zone)
    except ValueError:
        return text
