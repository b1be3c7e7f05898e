"""What the process has from its operating system: signals, files that change, logs."""
