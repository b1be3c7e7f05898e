"""The synthetic Usage export: what each job run cost, as gzipped CSV that is made on demand."""
