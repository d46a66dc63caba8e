"""Dense, Embedding, Masking and Input."""
