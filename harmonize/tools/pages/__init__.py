"""Pages of tables that are too wide for a terminal: transfer between data sets, supervision."""
