"""The operating system: signals, changes of files, logs."""
