"""Instruction data to adapters, merged checkpoints and scores. Built by the Training work."""
