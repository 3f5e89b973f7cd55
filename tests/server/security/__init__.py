"""What untrusted clients, templates and files try, a test each. CONTRIBUTING's threat model names them."""
