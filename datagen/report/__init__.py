"""The report of a run: one HTML page that opens from disk, with numbers, pictures, and reasons of rejections."""

from datagen.report.page import write_report

__all__ = ["write_report"]
