"""A local archive that speaks the real archives' protocols over loopback."""
