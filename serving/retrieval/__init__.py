"""Finding the passages that may answer a question: documents, passages, embeddings, index."""
