"""The tables: which question becomes which metrics, and how its answer is read. Pure."""
