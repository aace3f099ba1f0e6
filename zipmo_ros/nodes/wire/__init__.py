"""What travels: names, QoS, and messages to and from arrays."""
