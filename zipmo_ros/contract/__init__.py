"""What all sides of the system agree on. numpy, PyYAML and the standard library; it imports nothing of ours."""
