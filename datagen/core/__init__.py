"""The words that everything speaks: records, fields, stages, options and errors."""
