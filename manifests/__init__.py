"""Everything durable and how to read it: schema, blobs, frames, database, snapshots, splits."""
