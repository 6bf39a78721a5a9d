"""Checkpoints to tokens: engine, client, registry, retrieval, evidence, store, accounts, API."""
