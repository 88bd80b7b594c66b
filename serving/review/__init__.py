"""The web page of the review queue."""
