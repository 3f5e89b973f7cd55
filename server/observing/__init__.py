"""What is seen of a request from outside: metrics, log lines, traces and ids."""
