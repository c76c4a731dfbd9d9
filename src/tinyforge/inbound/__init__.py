"""What receiving trigger kinds share: proofs, the JSON guard, refs and images. Pure."""
