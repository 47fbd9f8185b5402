"""Each recipe is one experiment, read top to bottom: `run(folder, config)`."""
