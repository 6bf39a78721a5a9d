"""The shared language: what a task is, how it is worded, parsed and scored.

The ground floor of the house. Nothing here imports serving, ui, dataprep or finetune.
"""
