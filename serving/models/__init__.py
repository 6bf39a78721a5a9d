"""Checkpoints and adapters: getting, checking and naming them, and who answers for what."""
