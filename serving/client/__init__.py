"""Prompts in, tokens out: the client of the engine, and the line in front of it."""

from serving.client.engine_client import EngineClient
from serving.client.gate import Gate, OnPlace
from serving.client.messages import Completion, Params, Prompt

__all__ = ["Completion", "EngineClient", "Gate", "OnPlace", "Params", "Prompt"]
