"""What came out of a run, as one page that opens from disk: numbers, pictures, and why."""

from datagen.report.page import write_report

__all__ = ["write_report"]
