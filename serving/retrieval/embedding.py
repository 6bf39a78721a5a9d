"""Sentence embeddings from a model folder on this machine, loaded once and on first use."""

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The engine wants the cores; embedding a question takes milliseconds even on one.
_THREADS = 2


class LocalEmbeddings(Embeddings):
    """Unit vectors of texts by a sentence-transformers model; safe to use from many threads.

    Calls block for as long as the model computes: from an event loop, use asyncio.to_thread.
    """

    def __init__(self, folder: Path) -> None:
        """Remember the model folder; nothing is loaded yet."""
        self._folder = folder
        # The tokenizer inside the model cannot be borrowed twice at the same time.
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text."""
        with self._lock:
            vectors: list[list[float]] = self._model.embed_documents(texts)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_documents([text])[0]

    def count(self, text: str) -> int:
        """Return the length in word pieces; loads the tokenizer only, not the model."""
        with self._lock:
            return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _model(self) -> Any:
        import torch
        from langchain_huggingface import HuggingFaceEmbeddings
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(min(_THREADS, torch.get_num_threads()))
        return HuggingFaceEmbeddings(
            model_name=str(self._folder),
            model_kwargs={"device": "cpu", "local_files_only": True},
            encode_kwargs={"normalize_embeddings": True},
        )

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
