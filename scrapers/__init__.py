"""One module per archive, the polite client, the crawl ledger and the local archive."""
