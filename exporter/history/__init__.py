"""The past of run counters, as files for `promtool`, and the ledger that goes on from it: the command `backfill`."""
