"""What fails around a server: disk, clock, descriptors, other processes, clients. Each is a real one."""
