"""What the subcommands do: inspect, convert, calibrate, verify and top. `serve` is `server.serving`."""
