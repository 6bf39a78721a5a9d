"""Raw sources to instruction data (parquet and manifest). Built by the Data work."""
