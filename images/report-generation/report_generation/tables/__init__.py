"""The report's tables: page and workbook show the same."""
