"""A page of what an inspector does and where it fails: plain data in, one file out that opens anywhere."""

from inspection.report.contents import Report
from inspection.report.page import render
from inspection.report.thumbnails import thumbnail

__all__ = ["Report", "render", "thumbnail"]
