"""Everything is counted once: cells that grow, and the books that decide what counts and say what to commit. Pure."""
