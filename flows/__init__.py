"""What runs, in what order, when, with what retries: Prefect flows and the root command line."""
