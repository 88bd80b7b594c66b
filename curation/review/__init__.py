"""The queue of doubtful frames and what people decided about them."""
