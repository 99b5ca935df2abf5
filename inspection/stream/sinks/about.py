"""What stands once above all results of a stream."""

import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from inspection.inspector.plain import as_json
from inspection.stream.sink import About
from inspection.stream.sinks.lines import iso_time


def described(about: About) -> dict[str, Any]:
    """Who judges what, and when a part is called what: plain values, as JSON has them."""
    passport = about.inspector.passport
    try:
        own = version("inspection")
    except PackageNotFoundError:  # run from its folder
        own = ""
    return as_json(
        {
            "task": passport.task,
            "question": passport.question,
            "operating_point": about.inspector.answers.operating_point(),
            "decision": passport.decision,
            "source": about.source,
            "started": iso_time(time.time()),
            "made": passport.made,
            "version": own,
        }
    )
