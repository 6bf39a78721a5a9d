"""Printing an answer with its sources as it is written."""
