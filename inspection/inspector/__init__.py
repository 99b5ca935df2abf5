"""The trained thing that ships: camera image in, verdict with its evidence out."""

from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Box, Verdict

__all__ = ["Box", "Inspector", "Passport", "Verdict"]
