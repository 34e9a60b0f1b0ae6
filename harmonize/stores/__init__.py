"""Data sets that are read where they lie: in archives, in Parquet files, at remote addresses."""
