"""The trained thing that ships: camera image in, verdict with its evidence out."""

from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Box, Defect, Verdict

__all__ = ["Box", "Defect", "Inspector", "Passport", "Verdict"]
